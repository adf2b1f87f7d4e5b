/**
 * Owns the source of one message's encoder, `encode(w, m, p) => p`. Fields are written in descending
 * order of number because the buffer is filled from its end; the bytes come out in ascending order.
 *
 * Room: at any point at least SLACK bytes are free before `p` beyond what the bounded fields of the
 * message may still take. Everything unbounded checks for itself and restores that (`ensure`).
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { isBounded, isSetCode, WIRE_LENGTH, wireTypeOf, writeCode } from "./emit-scalar.js";
import { isJson, isUnwrapped } from "./support.js";
import { SLACK } from "./writer.js";

/** A tag takes up to five bytes, a bounded value up to ten. */
const BOUNDED_FIELD_BYTES = 15;

/** Names the variable that holds the codec of a message type. */
export type NameOf = (message: DescMessage) => string;

export function emitEncoder(desc: DescMessage, nameOf: NameOf): string {
  const emitter = new EncoderEmitter(desc, nameOf);
  return emitter.source();
}

class EncoderEmitter {
  private readonly room: number;
  private readonly ensure: string;

  constructor(
    private readonly desc: DescMessage,
    private readonly nameOf: NameOf,
  ) {
    const bounded = desc.fields.filter(
      (field) => field.enum !== undefined || (field.scalar !== undefined && isBounded(field.scalar)),
    );
    this.room = SLACK + bounded.length * BOUNDED_FIELD_BYTES;
    this.ensure = `if(p<${this.room}){p=w.grow(p,${this.room});b=w.buf;}`;
  }

  source(): string {
    const descending = this.desc.fields.toSorted((a, b) => b.number - a.number);
    const typeName = JSON.stringify(this.desc.typeName);
    const check = descending.length > 0 ? `if(m?.$typeName!==${typeName})foreign(m,${typeName});` : "";
    return `function encode(w,m,p){
${check}let b=w.buf,v,o,e,f,k,i;
${this.ensure}
v=m.$unknown;
if(v!==undefined)for(i=v.length-1;i>=0;i--){o=v[i];p=writeRaw(w,p,o.data,${this.room});b=w.buf;p=writeU32(b,p,(o.no<<3|o.wireType)>>>0);}
${descending.map((field) => this.field(field)).join("\n")}
return p;}`;
  }

  private field(field: DescField): string {
    const name = JSON.stringify(field.localName);
    if (field.fieldKind === "list") return this.list(field);
    if (field.fieldKind === "map") return this.map(field);
    const write = this.singular(field, "v");
    if (field.oneof !== undefined) {
      return `o=m[${JSON.stringify(field.oneof.localName)}];if(o.case===${name}){v=o.value;${write}}`;
    }
    return `v=m[${name}];if(${this.isSet(field)}){${write}}`;
  }

  private isSet(field: DescField): string {
    if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return "v!==undefined";
    if (field.enum !== undefined) return `v!==${field.enum.values[0]?.number ?? 0}`;
    return isSetCode(field.scalar ?? ScalarType.INT32);
  }

  /** The value and its tag. */
  private singular(field: DescField, value: string): string {
    if (field.message !== undefined) return this.message(field, value) + this.tag(field.number, WIRE_LENGTH);
    const type = field.scalar ?? ScalarType.INT32;
    return writeCode(type, value, this.room, fullName(field)) + this.tag(field.number, wireTypeOf(type));
  }

  /** A nested message and its length, without a tag. `e` is not preserved. */
  private message(field: DescField, value: string): string {
    const codec = this.nameOf(messageOf(field));
    let message = value;
    if (isJson(field)) message = `structToMessage(${value})`;
    else if (isUnwrapped(field))
      message = `{$typeName:${JSON.stringify(messageOf(field).typeName)},value:${value}}`;
    return `e=b.length-p;p=${codec}.encode(w,${message},p);b=w.buf;${this.ensure}p=writeU32(b,p,b.length-p-e);`;
  }

  private list(field: DescField & { fieldKind: "list" }): string {
    const items = `v=m[${JSON.stringify(field.localName)}];`;
    if (!field.packed) {
      return `${items}for(i=v.length-1;i>=0;i--){${this.singular(field, "v[i]")}${this.ensure}}`;
    }
    const element = writeCode(field.scalar ?? ScalarType.INT32, "v[i]", this.room, fullName(field));
    return `${items}if(v.length>0){e=b.length-p;for(i=v.length-1;i>=0;i--){${element}${this.ensure}}p=writeU32(b,p,b.length-p-e);${this.tag(field.number, WIRE_LENGTH)}}`;
  }

  private map(field: DescField & { fieldKind: "map" }): string {
    const type = field.scalar ?? ScalarType.INT32;
    const value =
      field.message !== undefined
        ? this.message(field, "v[k[i]]") + this.tag(2, WIRE_LENGTH)
        : writeCode(type, "v[k[i]]", this.room, fullName(field)) + this.tag(2, wireTypeOf(type));
    const key =
      writeCode(field.mapKey, mapKey(field.mapKey, "k[i]"), this.room, fullName(field)) +
      this.tag(1, wireTypeOf(field.mapKey));
    return `v=m[${JSON.stringify(field.localName)}];k=Object.keys(v);for(i=k.length-1;i>=0;i--){f=b.length-p;${value}${this.ensure}${key}${this.ensure}p=writeU32(b,p,b.length-p-f);${this.tag(field.number, WIRE_LENGTH)}${this.ensure}}`;
  }

  private tag(number: number, wireType: number): string {
    const tag = ((number << 3) | wireType) >>> 0;
    return tag < 0x80 ? `b[--p]=${tag};` : `p=writeU32(b,p,${tag});`;
  }
}

/** Object keys are strings; they become the closest value of the key's type, as in protobuf-es. */
function mapKey(type: ScalarType, key: string): string {
  switch (type) {
    case ScalarType.STRING:
      return key;
    case ScalarType.BOOL:
      return `${key}!=="false"`;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return `longKey(${key})`;
    default:
      return `intKey(${key})`;
  }
}

function messageOf(field: DescField): DescMessage {
  if (field.message === undefined) throw new Error(`${field.toString()} is not a message field`);
  return field.message;
}

function fullName(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}

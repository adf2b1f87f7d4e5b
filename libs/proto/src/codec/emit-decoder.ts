/**
 * Owns the source of one message's `make() => m`, `init(partial) => m` and `read(m, b, p, end, d) => p`.
 * Every message of a type has the same properties in the same order, also those that are unset, so
 * that all of them share one hidden class. `read` merges into `m`: repeated fields append, messages
 * merge, everything else is replaced.
 *
 * Like protobuf-es, `read` trusts the field's declared type over the wire type of its tag (packed lists
 * apart), and lets a nested message end where its last field ends.
 */
import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { NameOf } from "./emit-encoder.js";
import { READ_LENGTH, readCode, type ScalarUse, WIRE_LENGTH, zeroCode } from "./emit-scalar.js";
import { DEPTH_MAX } from "./reader.js";
import { isJson, isUnwrapped } from "./support.js";

const UNSET_ONEOF = "{case:undefined,value:undefined}";
const READ_TAG =
  't=b[p++];if(!(t<128)){t=readTag(b,p-1);p=cursor.p;}else if((t&7)>5)malformed("invalid wire type");';

export function emitMake(desc: DescMessage): string {
  const members = desc.members.map((member) => `${JSON.stringify(member.localName)}:${defaultOf(member)}`);
  return `function make(){return {${[typeNameOf(desc), ...members].join(",")}};}`;
}

export function emitInit(desc: DescMessage): string {
  const members = desc.members.map((member) => {
    const name = JSON.stringify(member.localName);
    return `${name}:i[${name}]??${defaultOf(member)}`;
  });
  const typeName = JSON.stringify(desc.typeName);
  return `function init(i){if(i===undefined)return make();if(i.$typeName===${typeName})return i;
return {${[typeNameOf(desc), ...members].join(",")}};}`;
}

export function emitRead(desc: DescMessage, nameOf: NameOf): string {
  const maps = desc.fields.filter((field) => field.fieldKind === "map");
  const cases = desc.fields.map((field) => `case ${field.number}:${readField(field, nameOf)}break;`);
  return `${maps.map((field) => readMapEntry(field, nameOf)).join("\n")}
function read(m,b,p,end,d){
if(d>${DEPTH_MAX})malformed("nested too deeply");
const L=b.length;let t,x,e,o,c;
while(p<end){
${READ_TAG}
switch(t>>>3){
${cases.join("\n")}
default:p=keepUnknown(m,b,p,t,d);}
}
return p;}`;
}

function typeNameOf(desc: DescMessage): string {
  return `$typeName:${JSON.stringify(desc.typeName)}`;
}

function defaultOf(member: DescField | DescOneof): string {
  if (member.kind === "oneof") return UNSET_ONEOF;
  if (member.fieldKind === "list") return "[]";
  if (member.fieldKind === "map") return "{}";
  if (member.presence !== FeatureSet_FieldPresence.IMPLICIT) return "undefined";
  if (member.fieldKind === "enum") return String(member.enum.values[0]?.number ?? 0);
  return zeroCode(scalarOf(member));
}

function scalarOf(field: DescField): ScalarUse {
  const longAsString = "longAsString" in field && field.longAsString;
  return { type: field.scalar ?? ScalarType.INT32, longAsString };
}

function readField(field: DescField, nameOf: NameOf): string {
  const property = `m[${JSON.stringify(field.localName)}]`;
  switch (field.fieldKind) {
    case "list":
      return readList(field, property, nameOf);
    case "map":
      return `${READ_LENGTH}p=readEntry${field.number}(${property},b,p,e,d);`;
    case "scalar":
    case "enum":
    case "message": {
      if (field.oneof !== undefined) return readOneofCase(field, nameOf);
      return field.message === undefined
        ? `${readCode(scalarOf(field))}${property}=x;`
        : `c=${property};${readMessage(field, nameOf)}${property}=c;`;
    }
  }
}

function readOneofCase(field: DescField & { oneof: DescOneof | undefined }, nameOf: NameOf): string {
  const oneof = `m[${JSON.stringify(field.oneof?.localName)}]`;
  const name = JSON.stringify(field.localName);
  if (field.message === undefined) return `${readCode(scalarOf(field))}${oneof}={case:${name},value:x};`;
  return `o=${oneof};c=o.case===${name}?o.value:undefined;${readMessage(field, nameOf)}${oneof}={case:${name},value:c};`;
}

/** Reads a nested message into `c`, which holds the value to merge into, or undefined. */
function readMessage(field: DescField, nameOf: NameOf): string {
  if (field.message === undefined) throw new Error(`${field.toString()} is not a message field`);
  const codec = nameOf(field.message);
  const read = `p=${codec}.read(c,b,p,e,d+1);`;
  if (isJson(field)) return `${READ_LENGTH}c=structToMessage(c);${read}c=structToLocal(c);`;
  if (isUnwrapped(field)) {
    return `${READ_LENGTH}o=c;c=${codec}.make();if(o!==undefined)c.value=o;${read}c=c.value;`;
  }
  return `${READ_LENGTH}if(c===undefined)c=${codec}.make();${read}`;
}

function readList(field: DescField & { fieldKind: "list" }, property: string, nameOf: NameOf): string {
  if (field.message !== undefined) return `c=undefined;${readMessage(field, nameOf)}${property}.push(c);`;
  const scalar = scalarOf(field);
  const one = readCode(scalar);
  if (scalar.type === ScalarType.STRING || scalar.type === ScalarType.BYTES)
    return `${one}${property}.push(x);`;
  return `if((t&7)===${WIRE_LENGTH}){${READ_LENGTH}c=${property};while(p<e){${one}c.push(x);}}else{${one}${property}.push(x);}`;
}

function readMapEntry(field: DescField & { fieldKind: "map" }, nameOf: NameOf): string {
  const key: ScalarUse = { type: field.mapKey, longAsString: false };
  const value: ScalarUse = { type: field.scalar ?? ScalarType.INT32, longAsString: false };
  let read = `${readCode(value)}v=x;`;
  let unset = zeroCode(value);
  if (field.message !== undefined) {
    read = `c=v;${readMessage(field, nameOf)}v=c;`;
    unset = isJson(field) ? "{}" : `${nameOf(field.message)}.make()`;
  } else if (field.enum !== undefined) unset = String(field.enum.values[0]?.number ?? 0);
  return `function readEntry${field.number}(m,b,p,end,d){
const L=b.length;let k,v,t,x,e,o,c;
while(p<end){
${READ_TAG}
switch(t>>>3){
case 1:${readCode(key)}k=x;break;
case 2:${read}break;
case 0:malformed("invalid tag");
default:p=skip(b,p,t,d);}
}
if(k===undefined)k=${zeroCode(key)};
if(v===undefined)v=${unset};
setOwn(m,String(k),v);
return p;}`;
}

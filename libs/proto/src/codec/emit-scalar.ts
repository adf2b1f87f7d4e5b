/**
 * Owns, for each scalar type, the JavaScript by which one value is written, read, compared with its
 * zero and defaulted. The emitters of messages must not know scalar types beyond this table.
 */
import { create, ScalarType, toBinary } from "@bufbuild/protobuf";
import { DoubleValueSchema } from "@bufbuild/protobuf/wkt";

export const WIRE_VARINT = 0;
export const WIRE_64 = 1;
export const WIRE_LENGTH = 2;
export const WIRE_32 = 5;

interface ScalarCode {
  readonly wire: number;
  /** Name of the function `(b, p, value, field) => p` in writer.ts; text and bytes are written apart. */
  readonly write: string;
  /** Statements that read at `p` into `x` and advance `p`. */
  readonly read: string;
  /** An expression over `v` that is true when the value is not the type's zero. */
  readonly isSet: string;
  readonly zero: string;
}

// A read beyond the end gives undefined, which is not below 128: the slow reader reports it.
const varint32 = "x=b[p++];if(!(x<128)){x=readU32(b,p-1);p=cursor.p;}";
const call = (reader: string, after = "") => `x=${reader}(b,p)${after};p=cursor.p;`;
/** Reads a length prefix and leaves in `e` the end of what follows, which is inside the buffer. */
export const READ_LENGTH = `${varint32}e=p+x;if(e>L)malformed("length beyond the end");`;

// Loose comparison matches 0n, 0 and "0" like protobuf-es; strict first, as it is three times as fast.
const integer = "v!=0";
// A bigint's truth is asked for in a fifth of the time of a comparison with 0n.
const bigint = '(typeof v==="bigint"?v:v!=0)';
/**
 * The protobuf specification counts minus zero as set; protobuf-es does so only in later releases. The
 * bytes must be those of the installed release, hence the question at start instead of an opinion.
 */
const MINUS_ZERO_IS_SET = toBinary(DoubleValueSchema, create(DoubleValueSchema, { value: -0 })).length > 0;
const float = MINUS_ZERO_IS_SET ? "(v!==0||1/v<0)" : "v!=0";

const int = (write: string, read: string): ScalarCode => ({
  wire: WIRE_VARINT,
  write,
  read,
  isSet: integer,
  zero: "0",
});
const long = (write: string, read: string): ScalarCode => ({
  wire: WIRE_VARINT,
  write,
  read,
  isSet: bigint,
  zero: "0n",
});
const fixed = (wire: number, write: string, read: string, isSet: string, zero: string): ScalarCode => ({
  wire,
  write,
  read,
  isSet,
  zero,
});

const codes: Record<ScalarType, ScalarCode> = {
  [ScalarType.INT32]: int("writeI32", `${varint32}x|=0;`),
  [ScalarType.UINT32]: int("writeUint32", varint32),
  [ScalarType.SINT32]: int("writeS32", `${varint32}x=(x>>>1)^-(x&1);`),
  [ScalarType.INT64]: long("writeI64", call("readI64")),
  [ScalarType.UINT64]: long("writeU64", call("readU64")),
  [ScalarType.SINT64]: long("writeS64", call("readS64")),
  [ScalarType.FIXED32]: fixed(WIRE_32, "writeFixed32", call("readFixed32"), integer, "0"),
  [ScalarType.SFIXED32]: fixed(WIRE_32, "writeSfixed32", call("readFixed32", "|0"), integer, "0"),
  [ScalarType.FIXED64]: fixed(WIRE_64, "writeFixed64", call("readFixed64"), bigint, "0n"),
  [ScalarType.SFIXED64]: fixed(WIRE_64, "writeSfixed64", call("readSfixed64"), bigint, "0n"),
  [ScalarType.FLOAT]: fixed(WIRE_32, "writeFloat", call("readFloat"), float, "0"),
  [ScalarType.DOUBLE]: fixed(WIRE_64, "writeDouble", call("readDouble"), float, "0"),
  [ScalarType.BOOL]: {
    wire: WIRE_VARINT,
    write: "writeBool",
    read: "x=b[p++];if(x<128)x=x!==0;else{x=readBool(b,p-1);p=cursor.p;}",
    isSet: "v!==false",
    zero: "false",
  },
  [ScalarType.STRING]: {
    wire: WIRE_LENGTH,
    write: "writeString",
    read: `${READ_LENGTH}x=readText(b,p,e);p=e;`,
    isSet: 'v!==""',
    zero: '""',
  },
  [ScalarType.BYTES]: {
    wire: WIRE_LENGTH,
    write: "writeBytes",
    read: `${READ_LENGTH}x=readBytes(b,p,e);p=e;`,
    isSet: "(!(v instanceof Uint8Array)||v.length>0)",
    zero: "EMPTY",
  },
};

/** The subset of a field that scalars depend on; enums are coded as int32. */
export interface ScalarUse {
  readonly type: ScalarType;
  readonly longAsString: boolean;
}

export function isBounded(type: ScalarType): boolean {
  return codes[type].wire !== WIRE_LENGTH;
}

export function wireTypeOf(type: ScalarType): number {
  return codes[type].wire;
}

export function isSetCode(type: ScalarType): string {
  return codes[type].isSet;
}

export function zeroCode({ type, longAsString }: ScalarUse): string {
  const zero = codes[type].zero;
  return longAsString && zero === "0n" ? '"0"' : zero;
}

export function readCode({ type, longAsString }: ScalarUse): string {
  const { read, zero } = codes[type];
  return longAsString && zero === "0n" ? `${read}x=String(x);` : read;
}

/** Writes `value` before `p`; unbounded types keep `room` bytes free before them. */
export function writeCode(type: ScalarType, value: string, room: number, field: string): string {
  const { write } = codes[type];
  const name = JSON.stringify(field);
  if (isBounded(type)) return `p=${write}(b,p,${value},${name});`;
  return `p=${write}(w,p,${value},${room},${name});b=w.buf;`;
}

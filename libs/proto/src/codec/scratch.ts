/**
 * Owns eight shared bytes, seen as every number type, by which numbers become bytes and back without
 * a DataView or a BigInt constructor (a load from a BigInt64Array costs a third of `BigInt(number)`).
 * Nothing may stay in it between two statements of a caller: every reader and writer uses it.
 */
const eightBytes = new ArrayBuffer(8);

export const BYTES = new Uint8Array(eightBytes);
export const WORDS = new Uint32Array(eightBytes);
export const FLOATS = new Float32Array(eightBytes);
export const DOUBLES = new Float64Array(eightBytes);
export const SIGNED = new BigInt64Array(eightBytes);
export const UNSIGNED = new BigUint64Array(eightBytes);

WORDS[0] = 1;
/** The compiled codec reads the scratch bytes in wire order, hence only on little-endian machines. */
export const LITTLE_ENDIAN = BYTES[0] === 1;

/** The one place where the client side says how messages become bytes. */
export { decode, encode } from "@holdfast/proto/codec";

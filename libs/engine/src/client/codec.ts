/** The one place where the client side says how messages become bytes. */
export { fromBinary as decode, toBinary as encode } from "@bufbuild/protobuf";

/** A command batch without the commands in it that can't be read: one broken command takes none of its neighbours with it. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type CommandBatch, CommandBatchSchema, CommandSchema } from "@holdfast/proto";
import { decode, DecodeError } from "@holdfast/proto/codec";

const COMMANDS = CommandBatchSchema.field.commands.number;

export interface ReadBatch {
  /** Undefined where its commands can't be told apart, or it is not them that can't be read. */
  readonly batch: CommandBatch | undefined;
  /** Why not all of it could be read. */
  readonly problem?: DecodeError;
  /** Places of commands that were left out, from 0. */
  readonly unreadable?: readonly number[];
}

export function readBatch(data: Uint8Array): ReadBatch {
  try {
    return { batch: decode(CommandBatchSchema, data) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { ...readableOf(data), problem: error };
  }
}

function readableOf(data: Uint8Array): ReadBatch {
  try {
    const kept: Uint8Array[] = [];
    const unreadable: number[] = [];
    const reader = new BinaryReader(data);
    for (let place = 0; reader.pos < reader.len; ) {
      const from = reader.pos;
      const [field, wireType] = reader.tag();
      if (field !== COMMANDS || wireType !== WireType.LengthDelimited) reader.skip(wireType, field);
      else if (!isReadable(reader.bytes())) {
        unreadable.push(place++);
        continue;
      } else place += 1;
      kept.push(data.subarray(from, reader.pos));
    }
    return { batch: decode(CommandBatchSchema, Buffer.concat(kept)), unreadable };
  } catch {
    return { batch: undefined };
  }
}

function isReadable(command: Uint8Array): boolean {
  try {
    decode(CommandSchema, command);
    return true;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

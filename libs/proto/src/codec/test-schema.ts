/**
 * Owns the schemas that the codec's tests share, built from descriptors without generated code. One
 * message has every kind of field: each scalar singular, optional, repeated, unpacked, in a oneof and in
 * maps, enums, recursion, well-known types, field numbers with tags of one to five bytes.
 */
import { create, createFileRegistry, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldDescriptorProtoSchema,
  FieldOptions_JSType,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

export const SCALARS = [
  Type.DOUBLE,
  Type.FLOAT,
  Type.INT64,
  Type.UINT64,
  Type.INT32,
  Type.FIXED64,
  Type.FIXED32,
  Type.BOOL,
  Type.STRING,
  Type.BYTES,
  Type.UINT32,
  Type.SFIXED32,
  Type.SFIXED64,
  Type.SINT32,
  Type.SINT64,
] as const;
const MAP_KEYS = SCALARS.filter((type) => type !== Type.DOUBLE && type !== Type.FLOAT && type !== Type.BYTES);

interface FieldSpec {
  readonly name: string;
  readonly number: number;
  readonly type: Type;
  readonly typeName?: string;
  readonly repeated?: boolean;
  readonly packed?: boolean;
  readonly optional?: boolean;
  readonly oneofIndex?: number;
  readonly jsString?: boolean;
}

export function field(spec: FieldSpec): FieldDescriptorProto {
  const options = {
    ...(spec.packed === undefined ? {} : { packed: spec.packed }),
    ...(spec.jsString === true ? { jstype: FieldOptions_JSType.JS_STRING } : {}),
  };
  return create(FieldDescriptorProtoSchema, {
    name: spec.name,
    jsonName: spec.name,
    number: spec.number,
    type: spec.type,
    label: spec.repeated === true ? Label.REPEATED : Label.OPTIONAL,
    ...(spec.typeName === undefined ? {} : { typeName: spec.typeName }),
    ...(spec.optional === true ? { proto3Optional: true } : {}),
    ...(spec.oneofIndex === undefined ? {} : { oneofIndex: spec.oneofIndex }),
    ...(Object.keys(options).length > 0 ? { options } : {}),
  });
}

function mapEntry(name: string, key: Type, value: Type, typeName?: string): DescriptorProto {
  return create(DescriptorProtoSchema, {
    name,
    options: { mapEntry: true },
    field: [
      field({ name: "key", number: 1, type: key }),
      field({ name: "value", number: 2, type: value, ...(typeName === undefined ? {} : { typeName }) }),
    ],
  });
}

class MessageBuilder {
  readonly fields: FieldDescriptorProto[] = [];
  readonly entries: DescriptorProto[] = [];
  readonly oneofs: { name: string }[] = [];
  private number = 0;

  constructor(private readonly name: string) {}

  add(spec: Omit<FieldSpec, "number"> & { readonly number?: number }): this {
    this.number = spec.number ?? this.number + 1;
    this.fields.push(field({ ...spec, number: this.number }));
    return this;
  }

  map(name: string, key: Type, value: Type, typeName?: string): this {
    const entry = `${name.charAt(0).toUpperCase()}${name.slice(1)}Entry`;
    this.entries.push(mapEntry(entry, key, value, typeName));
    return this.add({ name, type: Type.MESSAGE, typeName: `.codec.${this.name}.${entry}`, repeated: true });
  }

  build(): DescriptorProto {
    // Synthetic oneofs of proto3 optionals come after the real ones.
    let synthetic = this.oneofs.length;
    for (const optional of this.fields.filter((one) => one.proto3Optional)) {
      this.oneofs.push({ name: `_${optional.name}` });
      optional.oneofIndex = synthetic++;
    }
    return create(DescriptorProtoSchema, {
      name: this.name,
      field: this.fields,
      nestedType: this.entries,
      oneofDecl: this.oneofs,
    });
  }
}

function everything(name: string, withMaps: boolean): DescriptorProto {
  const all = new MessageBuilder(name);
  const self = `.codec.${name}`;
  // Descending numbers for a while: declaration order and wire order differ.
  SCALARS.forEach((type, i) => all.add({ name: `one${type}`, type, number: 40 - i }));
  all.add({ name: "e", type: Type.ENUM, typeName: ".codec.Color", number: 41 });
  for (const type of SCALARS) all.add({ name: `opt${type}`, type, optional: true });
  all.add({ name: "opt_e", type: Type.ENUM, typeName: ".codec.Color", optional: true });
  for (const type of SCALARS) all.add({ name: `list${type}`, type, repeated: true });
  for (const type of SCALARS) {
    if (type !== Type.STRING && type !== Type.BYTES)
      all.add({ name: `loose${type}`, type, repeated: true, packed: false });
  }
  all.add({ name: "list_e", type: Type.ENUM, typeName: ".codec.Color", repeated: true });
  all.add({ name: "str_long", type: Type.INT64, jsString: true });
  all.add({ name: "str_longs", type: Type.UINT64, jsString: true, repeated: true });
  all.oneofs.push({ name: "pick" });
  for (const type of SCALARS) all.add({ name: `pick${type}`, type, oneofIndex: 0 });
  all.add({ name: "pick_e", type: Type.ENUM, typeName: ".codec.Color", oneofIndex: 0 });
  all.add({ name: "pick_m", type: Type.MESSAGE, typeName: self, oneofIndex: 0 });
  all.add({
    name: "pick_wrapped",
    type: Type.MESSAGE,
    typeName: ".google.protobuf.Int32Value",
    oneofIndex: 0,
  });
  all.add({ name: "child", type: Type.MESSAGE, typeName: self, number: 2050 });
  all.add({ name: "children", type: Type.MESSAGE, typeName: self, repeated: true });
  all.add({ name: "leaf", type: Type.MESSAGE, typeName: ".codec.Leaf" });
  all.add({ name: "at", type: Type.MESSAGE, typeName: ".google.protobuf.Timestamp" });
  all.add({ name: "wrapped", type: Type.MESSAGE, typeName: ".google.protobuf.StringValue" });
  all.add({ name: "wrapped_long", type: Type.MESSAGE, typeName: ".google.protobuf.Int64Value" });
  all.add({
    name: "wrapped_list",
    type: Type.MESSAGE,
    typeName: ".google.protobuf.BoolValue",
    repeated: true,
  });
  if (withMaps) {
    for (const key of MAP_KEYS) all.map(`k${key}`, key, Type.STRING);
    for (const value of SCALARS) all.map(`v${value}`, Type.STRING, value);
    all.map("mapE", Type.STRING, Type.ENUM, ".codec.Color");
    all.map("mapM", Type.INT32, Type.MESSAGE, ".codec.Leaf");
    all.map("mapJ", Type.STRING, Type.MESSAGE, ".google.protobuf.Struct");
    all.add({ name: "json", type: Type.MESSAGE, typeName: ".google.protobuf.Struct" });
    all.add({ name: "jsons", type: Type.MESSAGE, typeName: ".google.protobuf.Struct", repeated: true });
    all.add({ name: "value", type: Type.MESSAGE, typeName: ".google.protobuf.Value" });
  }
  all.add({ name: "far", type: Type.INT32, number: 0x1fffffff });
  return all.build();
}

const color = {
  name: "Color",
  value: [
    { name: "COLOR_UNSPECIFIED", number: 0 },
    { name: "COLOR_RED", number: 1 },
    { name: "COLOR_LESS", number: -5 },
  ],
};

export function registryOf(messages: DescriptorProto[], syntax = "proto3"): FileRegistry {
  const dependencies = [
    file_google_protobuf_struct,
    file_google_protobuf_timestamp,
    file_google_protobuf_wrappers,
  ];
  const file = create(FileDescriptorProtoSchema, {
    name: "codec.proto",
    package: "codec",
    syntax,
    dependency: dependencies.map((one) => `${one.name}.proto`),
    messageType: messages,
    enumType: [color],
  });
  return createFileRegistry(file, (name) => dependencies.find((one) => `${one.name}.proto` === name)?.proto);
}

const leaf = new MessageBuilder("Leaf")
  .add({ name: "n", type: Type.INT64 })
  .add({ name: "s", type: Type.STRING })
  .build();
const tight = new MessageBuilder("Tight")
  .add({ name: "one", type: Type.STRING })
  .add({ name: "texts", type: Type.STRING, repeated: true })
  .add({ name: "blobs", type: Type.BYTES, repeated: true })
  .map("byText", Type.STRING, Type.STRING)
  .map("byLong", Type.SINT64, Type.STRING)
  .add({ name: "children", type: Type.MESSAGE, typeName: ".codec.Tight", repeated: true, number: 0x1ffffff0 })
  .map("byInt", Type.INT32, Type.MESSAGE, ".codec.Tight")
  .add({ name: "child", type: Type.MESSAGE, typeName: ".codec.Tight" })
  .add({ name: "two", type: Type.STRING })
  .add({ name: "three", type: Type.STRING })
  .add({ name: "longs", type: Type.INT64, repeated: true, packed: false })
  .build();
const registry = registryOf([
  leaf,
  tight,
  everything("All", true),
  everything("Flat", false),
  create(DescriptorProtoSchema, { name: "Empty" }),
]);

export function messageOf(from: FileRegistry, name: string): DescMessage {
  const found = from.getMessage(`codec.${name}`);
  if (found === undefined) throw new Error(`no message ${name}`);
  return found;
}

export const All = messageOf(registry, "All");
/** Like All, without maps and JSON: here protobuf-es is an exact oracle for any input. */
export const Flat = messageOf(registry, "Flat");
export const Leaf = messageOf(registry, "Leaf");
export const Empty = messageOf(registry, "Empty");
/** Hardly a field of bounded size: no room is reserved that could hide a missing check. */
export const Tight = messageOf(registry, "Tight");

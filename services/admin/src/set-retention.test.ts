/** SetRetention takes what changes something, of a workflow that there is; anything else is refused where its sender looks. */
import { create } from "@bufbuild/protobuf";
import { RetentionPolicySchema } from "@holdfast/proto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { definitionOf, type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster({ command: () => ({ case: "accepted", value: {} }) });
  await cluster.definitions.put(definitionOf("orders"));
});
afterEach(() => cluster.close());

const policy = create(RetentionPolicySchema, { failedRetentionS: 60 });

it.each([
  [
    "a policy that says nothing",
    { workflow: "orders", policy: create(RetentionPolicySchema) },
    /says nothing/,
  ],
  ["a workflow that nobody knows", { workflow: "odrers", policy }, /odrers is not registered.*orders/],
])("refuses %s", async (_, request, message) => {
  await expect(cluster.admin.setRetention(request)).rejects.toThrow(message);
  expect(cluster.appended).toEqual([]);
});

it("takes one of a workflow, of all, and a reset of what is not there any more", async () => {
  await cluster.admin.setRetention({ workflow: "orders", policy });
  await cluster.admin.setRetention({ policy });
  await cluster.admin.setRetention({ workflow: "gone" });
  expect(cluster.appended.length).toBeGreaterThanOrEqual(3);
});

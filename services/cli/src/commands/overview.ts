/** `holdfast workflows`, `counts` and `cluster`: what there is, and how it is. */
import {
  DescribeClusterResponseSchema,
  GetCountsResponseSchema,
  ListWorkflowsResponseSchema,
} from "@holdfast/proto";
import type { Command } from "commander";
import { ExitCode } from "../exit-codes.js";
import { renderCluster } from "../render/cluster.js";
import { renderCounts, renderWorkflows } from "../render/lists.js";
import type { Register } from "./register.js";

export function registerOverview(program: Command, register: Register): void {
  register(
    program
      .command("workflows")
      .summary("list the registered workflows")
      .description("Lists the registered workflows."),
    (context) =>
      context.withAdmin(async (admin) => {
        const answer = await admin.listWorkflows({});
        if (context.json) context.printJson(ListWorkflowsResponseSchema, answer);
        else context.print(renderWorkflows(answer.workflows, context.screen()));
        return ExitCode.done;
      }),
  );

  const counts = program
    .command("counts")
    .summary("count runs and items by how they ended")
    .description("Counts runs and items by how they ended, for each workflow.")
    .option("-w, --workflow <name>", "of this workflow only");
  register(counts, (context, _args, options: { readonly workflow?: string }) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.getCounts({ workflow: options.workflow ?? "" });
      if (context.json) context.printJson(GetCountsResponseSchema, answer);
      else context.print(renderCounts(answer, context.screen()));
      return ExitCode.done;
    }),
  );

  const cluster = program
    .command("cluster")
    .summary("show partitions, workers and warnings")
    .description("Shows partitions, workers and warnings. Exit 1 if a partition has a problem.");
  register(cluster, (context) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.describeCluster({});
      if (context.json) context.printJson(DescribeClusterResponseSchema, answer);
      else context.print(renderCluster(answer, context.screen()));
      return answer.partitions.some((partition) => partition.problem !== "")
        ? ExitCode.failed
        : ExitCode.done;
    }),
  );
}

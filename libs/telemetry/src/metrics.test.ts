import { describe, expect, test } from "vitest";
import { createRegistry, OVERFLOW_LABEL, SERIES_MAX } from "./metrics.js";

describe("a registry", () => {
  test("renders counters and gauges as Prometheus text", () => {
    const registry = createRegistry();
    const folded = registry.counter({
      name: "holdfast_folded_total",
      help: "Commands folded.",
      labels: ["partition"],
    });
    folded.labels("0").inc();
    folded.labels("1").inc(5);
    registry.gauge({ name: "holdfast_lag", help: "Entries behind." }).set(-2.5);
    let depth = 3;
    registry.observe({ name: "holdfast_queue_depth", help: "Queued." }, () => depth);
    depth = 7;
    expect(registry.render()).toBe(
      [
        "# HELP holdfast_folded_total Commands folded.",
        "# TYPE holdfast_folded_total counter",
        'holdfast_folded_total{partition="0"} 1',
        'holdfast_folded_total{partition="1"} 5',
        "# HELP holdfast_lag Entries behind.",
        "# TYPE holdfast_lag gauge",
        "holdfast_lag -2.5",
        "# HELP holdfast_queue_depth Queued.",
        "# TYPE holdfast_queue_depth gauge",
        "holdfast_queue_depth 7",
        "",
      ].join("\n"),
    );
  });

  test("shows a metric without labels before it was ever counted", () => {
    const registry = createRegistry();
    registry.counter({ name: "rejected_total", help: "Rejected." });
    expect(registry.render()).toContain("\nrejected_total 0\n");
  });

  test("escapes label values and help, and spells infinities", () => {
    const registry = createRegistry();
    const gauge = registry.gauge({ name: "g", help: "a\\b\nc", labels: ["l"] });
    gauge.labels('quote " slash \\ line \n').set(Infinity);
    gauge.labels("low").set(-Infinity);
    const text = registry.render();
    expect(text).toContain("# HELP g a\\\\b\\nc\n");
    expect(text).toContain('g{l="quote \\" slash \\\\ line \\n"} +Inf\n');
    expect(text).toContain('g{l="low"} -Inf\n');
  });

  test("reads a count that somebody else keeps", () => {
    const registry = createRegistry();
    let accepted = 3;
    registry.observeTotal({ name: "accepted_total", help: "Accepted" }, () => accepted);
    accepted = 7;
    expect(registry.render()).toBe(
      "# HELP accepted_total Accepted\n# TYPE accepted_total counter\naccepted_total 7\n",
    );
  });

  test("refuses a name that says another kind, or a unit that is no base unit", () => {
    const registry = createRegistry();
    const help = "Helps";
    expect(() => registry.counter({ name: "runs", help })).toThrow("runs can't be a counter's name");
    expect(() => registry.gauge({ name: "runs_total", help })).toThrow("runs_total can't be a gauge's name");
    expect(() => registry.observe({ name: "runs_total", help }, () => 0)).toThrow("a gauge's name");
    expect(() => registry.observeTotal({ name: "runs", help }, () => 0)).toThrow("a counter's name");
    for (const name of ["wait_ms", "wait_milliseconds_sum", "log_mb", "full_percent"])
      expect(() => registry.gauge({ name, help })).toThrow("use seconds, bytes or a ratio");
    expect(registry.render()).toBe("");
  });

  test("gives the same metric again, and refuses another of the same name", () => {
    const registry = createRegistry();
    const options = { name: "runs_total", help: "Runs.", labels: ["workflow"] };
    registry.counter(options).labels("a").inc();
    registry.counter(options).labels("a").inc();
    expect(registry.counter(options).labels("a").value).toBe(2);
    expect(() => registry.gauge(options)).toThrow(/there already/);
    expect(() => registry.counter({ ...options, labels: ["queue"] })).toThrow(/there already/);
  });

  test("refuses bad names, missing label values and a counter that goes down", () => {
    const registry = createRegistry();
    expect(() => registry.counter({ name: "a-b", help: "" })).toThrow(/name/);
    expect(() => registry.counter({ name: "a", help: "", labels: ["b c"] })).toThrow(/name/);
    const counter = registry.counter({ name: "ok_total", help: "", labels: ["one"] });
    expect(() => counter.inc()).toThrow(/labels/);
    expect(() => counter.labels("x").inc(-1)).toThrow(RangeError);
    expect(() => counter.labels("x").inc(Number.NaN)).toThrow(RangeError);
  });

  test("counts what comes after its last series together", () => {
    const registry = createRegistry();
    const counter = registry.counter({ name: "many_total", help: "", labels: ["workflow", "queue"] });
    for (let i = 0; i < SERIES_MAX + 50; i += 1) counter.labels(`w${i}`, "q").inc();
    expect(counter.labels(OVERFLOW_LABEL, OVERFLOW_LABEL).value).toBe(51);
    expect(counter.labels("w0", "q").value).toBe(1);
    expect(registry.render().trim().split("\n")).toHaveLength(SERIES_MAX + 2);
  });
});

/** The version of this Holdfast, as `--version` says it. */
import manifest from "../package.json" with { type: "json" };

export const VERSION: string = manifest.version;

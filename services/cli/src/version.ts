/** The version of this Holdfast, as `--version` and the admin service say it. */
export const VERSION = "0.1.0";

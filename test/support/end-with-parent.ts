/**
 * Loaded into each process that a test starts: it ends when the test's process is gone, however that went.
 * The channel keeps nothing alive by itself, so a process that has nothing left to do still ends.
 */
process.on("disconnect", () => process.exit(1));
process.channel?.unref();

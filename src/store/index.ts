/** The Store contract in one place, for the engine and for those who write a store. */
export * from "./commit.ts";
export * from "./store.ts";

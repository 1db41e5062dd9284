/** What `--store` takes, as its help says it; `store-option.ts` makes stores of it, and loads all that they need. */

/** Under the working directory; each pipeline has a directory of its name in it. */
export const DEFAULT_STORE = "lmdb:.millrace";

/** For the help of options that take any store whose data outlives the command. */
export const KEPT_FORMS = "lmdb:DIRECTORY, redis://HOST:PORT/DB, redis-cluster://HOST:PORT,HOST:PORT, rediss:// and rediss-cluster:// for TLS, redis:/PATH";

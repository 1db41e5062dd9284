/** The two scripts of `lua/`: a sink appends by one, an injector reads by the other. */
import { defineScript } from "../store/redis/script.ts";

const FOLDER = new URL("./lua/", import.meta.url);

export const READ_PAGE = defineScript(
  { file: "read-page.lua", flags: "no-writes", keys: "stream", args: "after most bytes", reply: "last added length first now whole (pack)*", outcomes: {} },
  FOLDER,
);

export const APPEND_ENTRIES = defineScript(
  {
    file: "append-entries.lua",
    flags: "",
    keys: "stream",
    args: "after number sink most look (record count (field value)*)*",
    reply: "outcome last added removed (record)*",
    outcomes: { a: "appended", m: "more-to-look-through", r: "removed-meanwhile", l: "lost" },
  },
  FOLDER,
);

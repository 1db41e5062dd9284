/**
 * The service of the peer Restate: a virtual object for each key, with its count as state. Runs in the folder where the
 * SDK is installed, not in this repository. Argument: its port.
 */
// Node 22 has it, and the SDK calls it; the projects of this repository run on Node 20.
Promise.withResolvers ??= function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { object, serve } = await import("@restatedev/restate-sdk");

const counter = object({
  name: "counter",
  handlers: {
    hit: async (context) => {
      const count = ((await context.get("count")) ?? 0) + 1;
      context.set("count", count);
      return count;
    },
  },
});
await serve({ services: [counter], port: Number(process.argv[2]) });

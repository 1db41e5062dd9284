/**
 * One call of `register.lua`: the authority of each participant is computed here, from what was read, by the same code
 * as in every store; the script puts it in place if nothing has changed meanwhile.
 */
import { invariant } from "../../errors.ts";
import { type Authority, newAuthority, register } from "../../watermark/authority.ts";
import { isPercentileTrack, participantOfTrack } from "../../watermark/percentile.ts";
import type { Interval, Registration } from "../store.ts";
import { parseAuthority, parsePublished, storedAuthority } from "./authority-bytes.ts";
import { asBytes, asText } from "./reply.ts";
import type { Request } from "./request.ts";

const NONE = new Uint8Array(0);
/** Of a percentile track that no one has registered before. */
const NOTHING = { owners: "", cells: NONE };

/** A participant's authority in the making, and what it was computed from. */
interface Changed {
  readonly owners: string;
  readonly cells: Uint8Array;
  readonly authority: Authority;
}

/** `stored`: what is published, then owners and cells of each interval's participant. */
export function encodeRegistration(request: Request, worker: string, intervals: readonly Interval[], stored: readonly unknown[]): readonly Registration[] {
  const [published, ...rest] = stored;
  const watermarks = new Map(parsePublished(asBytes(published) ?? NONE).map((each) => [each.participant, each]));
  const changed = new Map<number, Changed>();
  const registrations = intervals.map(({ participant, shards, of }, i) => {
    const known = watermarks.get(participant);
    const track = isPercentileTrack(participant) && watermarks.has(participantOfTrack(participant)) ? newAuthority(of) : undefined;
    const watermark = known ?? track?.published;
    invariant(watermark !== undefined, `worker ${worker} registers shards of participant ${participant}, which is not in the stored graph`);
    const stored = known === undefined ? NOTHING : { owners: asText(rest[2 * i]), cells: asBytes(rest[2 * i + 1]) ?? NONE };
    const { owners, cells } = changed.get(participant) ?? stored;
    const authority = changed.get(participant)?.authority ?? (known === undefined ? track : undefined) ?? parseAuthority(owners, cells, watermark);
    invariant(authority.owners.length === of, `participant ${participant} has ${authority.owners.length} shards; worker ${worker} registers some of ${of}`);
    const registered = register(authority, worker, shards);
    changed.set(participant, { owners, cells, authority: registered.authority });
    return { participant, generation: registered.granted, output: registered.output };
  });
  for (const [participant, { owners, cells, authority }] of changed) {
    const stored = storedAuthority(participant, authority);
    request.integer(participant).text(owners).bytes(cells).text(stored.owners).bytes(stored.cells).bytes(stored.published);
  }
  return registrations;
}

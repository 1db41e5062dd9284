/**
 * Slots of a Redis Cluster: which one a key is in, and tags that are in given ones. The hash is the server's: CRC16
 * (XMODEM) of the tag, of which 14 bits count.
 */

export const SLOTS = 16_384;

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

function crc16(text: string, before = 0): number {
  let crc = before;
  for (let i = 0; i < text.length; i++) crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ text.charCodeAt(i)] as number);
  return crc;
}

/** The slot of a tag. ASCII only. */
export const slotOfTag = (tag: string): number => crc16(tag) % SLOTS;

/** The slot of a key of ours: its tag is before all else. */
export const slotOf = (key: string): number => slotOfTag(key.slice(1, key.indexOf("}")));

/** The slot that domain `domain` of `domains` is in: they are spread evenly, so equal shares of slots have equal shares of them. */
export const slotOfDomain = (domain: number, domains: number): number => Math.floor((domain * SLOTS) / domains);

const found = new Map<string, readonly string[]>();

/** A tag for each domain: `head` and the first number, in base 36, that puts it into the domain's slot. Part of the stored format. */
export function domainTags(head: string, domains: number): readonly string[] {
  const known = found.get(`${domains} ${head}`);
  if (known !== undefined) return known;
  const tags = new Array<string>(domains);
  const domainOf = new Map(Array.from(tags.keys(), (domain) => [slotOfDomain(domain, domains), domain]));
  const start = crc16(head);
  for (let n = 0; domainOf.size > 0; n++) {
    const tail = n.toString(36);
    const slot = crc16(tail, start) % SLOTS;
    const domain = domainOf.get(slot);
    if (domain === undefined) continue;
    tags[domain] = head + tail;
    domainOf.delete(slot);
  }
  found.set(`${domains} ${head}`, tags);
  return tags;
}

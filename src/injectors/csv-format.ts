/**
 * Comma-separated values as RFC 4180 has them: fields in double quotes may hold delimiters, line ends and doubled
 * quotes; a record ends at LF or CRLF outside of quotes. A quote within an unquoted field and text after a closing
 * quote are malformed: such a record fails alone, up to its line end. Empty lines hold no record (a row of one empty
 * field is written `""`).
 */
import { ConfigError } from "../errors.ts";
import { type FileFormat, NOTHING, Undecodable } from "./file-format.ts";

export interface CsvOptions {
  /**
   * true (the default): the first row names the columns. An array: these are the names, and the first row is data. In both
   * cases values are objects of strings. false: no names, values are arrays of strings of any length.
   */
  readonly header?: boolean | readonly string[] | undefined;
  /** One ASCII character. Default ",", or a tab for files that end in .tsv. */
  readonly delimiter?: string | undefined;
}

const QUOTE = 0x22;
const NEWLINE = 0x0a;

/** Where the scan stands: what the next byte may mean. */
type Place = "field-start" | "plain" | "quoted" | "after-quote";

export class CsvFormat implements FileFormat {
  readonly #description: string;
  readonly #delimiter: string;
  readonly #delimiterByte: number;
  /** undefined: values are arrays. Empty: the header is still to come. */
  #columns: readonly string[] | undefined;
  #place: Place = "field-start";

  /** @param description the file's, for errors. */
  constructor(description: string, options: CsvOptions) {
    const { header = true, delimiter = "," } = options;
    if (typeof delimiter !== "string" || !/^[^\u0080-\uffff"\r\n]$/.test(delimiter)) {
      throw new ConfigError(`${description}: the csv delimiter is ${JSON.stringify(delimiter)}; give one ASCII character, not a quote or line end`);
    }
    this.#description = description;
    this.#delimiter = delimiter;
    this.#delimiterByte = delimiter.charCodeAt(0);
    this.#columns = header === true ? [] : header === false ? undefined : this.#checked(header);
  }

  get needsHead(): boolean {
    return this.#columns?.length === 0;
  }

  recordEnd(bytes: Uint8Array, from: number, to: number): number {
    let place = this.#place;
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      if (place === "quoted") {
        if (byte === QUOTE) place = "after-quote";
      } else if (byte === NEWLINE) {
        this.#place = "field-start";
        return at + 1;
      } else if (byte === this.#delimiterByte) place = "field-start";
      else if (byte === QUOTE && place !== "plain") place = "quoted";
      // A CR may stand between a closing quote and its LF, and `decode` judges everything else that stands there.
      else place = "plain";
    }
    this.#place = place;
    return -1;
  }

  decode(text: string): unknown {
    if (text === "") return NOTHING;
    const fields = fieldsOf(text, this.#delimiter);
    const columns = this.#columns;
    if (columns === undefined || fields instanceof Undecodable) return fields;
    if (columns.length === 0) {
      this.#columns = this.#checked(fields);
      return NOTHING;
    }
    if (fields.length !== columns.length) return new Undecodable(`has ${fields.length} fields where the header has ${columns.length}`);
    const row: Record<string, string> = {};
    for (let i = 0; i < columns.length; i++) row[columns[i]!] = fields[i]!;
    return row;
  }

  /** Names that an object can hold, each once. */
  #checked(names: readonly string[]): readonly string[] {
    if (names.length === 0) throw new ConfigError(`${this.#description}: the csv header names no columns`);
    for (const [i, name] of names.entries()) {
      if (names.indexOf(name) !== i) throw new ConfigError(`${this.#description}: the csv header has the column ${JSON.stringify(name)} twice`);
      if (name === "__proto__") throw new ConfigError(`${this.#description}: a csv column cannot be called __proto__; name the columns with csv.header`);
    }
    return names;
  }
}

function fieldsOf(text: string, delimiter: string): string[] | Undecodable {
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    let end: number;
    if (text[at] === '"') {
      end = closingQuote(text, at) + 1;
      if (end === 0) return new Undecodable("has a quoted field that is not closed");
      if (end < text.length && text[end] !== delimiter) return new Undecodable("has text after a closing quote");
      fields.push(text.slice(at + 1, end - 1).replaceAll('""', '"'));
    } else {
      end = text.indexOf(delimiter, at);
      if (end < 0) end = text.length;
      const field = text.slice(at, end);
      if (field.includes('"')) return new Undecodable("has a quote within an unquoted field");
      fields.push(field);
    }
    if (end === text.length) return fields;
    at = end;
  }
}

/** Index of the quote that closes the field opened at `open`; -1 if there is none. */
function closingQuote(text: string, open: number): number {
  let at = text.indexOf('"', open + 1);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

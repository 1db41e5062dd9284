/** What a simulation found wrong: which rule, and where. Thrown where it is found; the run ends there. */
export class Violation extends Error {
  readonly rule: string;
  /** The message without the rule. */
  readonly text: string;

  constructor(rule: string, text: string, options?: ErrorOptions) {
    super(`${rule}: ${text}`, options);
    this.text = text;
    this.name = "Violation";
    this.rule = rule;
  }
}

/** Ends the run where a rule does not hold. `text` is made only then. */
export function check(holds: boolean, rule: string, text: () => string): void {
  if (!holds) throw new Violation(rule, text());
}

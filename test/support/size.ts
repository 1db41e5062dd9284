/**
 * How much the tests do. `npm test` has to end within minutes also where two cores are slow and shared: what only grows
 * in number there (rows, schedules, kills) is small. `npm run test:thorough` does the same with the numbers of a campaign.
 */
export const thorough: boolean = process.env["TEST_SIZE"] === "thorough";

export const sized = <T>(usual: T, inDepth: T): T => (thorough ? inDepth : usual);

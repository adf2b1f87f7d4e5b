/** How often a crash test kills what it kills. CI does it a few times, a soak fifty times. */

const asked = process.env["HOLDFAST_KILLS"];

/** `few` rounds, or as many as `HOLDFAST_KILLS` says. */
export const roundsOf = (few: number): number => (asked === undefined ? few : Number(asked));
/** From here on chance has to have hit each state that can be hit. */
export const MANY_ROUNDS = 40;

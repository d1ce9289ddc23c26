// How nodes touch the atoms of a plan: the vocabulary of classification.

/** The node is selected by what it is, so that both of its addresses are in the atom. */
export const MEMBER = 1;
/** An address of the node is among the atom's literal addresses. */
export const CONTAINED = 2;
/** A subnet route of the node overlaps the atom's addresses. */
export const OVERLAPPED = 4;

/** How a node touches atoms: atom index → MEMBER, CONTAINED, OVERLAPPED or a sum of them. */
export type Touches = ReadonlyMap<number, number>;

/** The touches of a node that no atom selects. */
export const NO_TOUCHES: Touches = new Map();

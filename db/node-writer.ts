// Writes nodes, and of a node that was written before only the columns that change all the time: a row with its
// Hostinfo, in five indexes, costs twenty times as much as three numbers of it. That a node which is stored as online
// lost its stream, or has one again, may wait: see putLater.
import { eq, sql } from "drizzle-orm";
import type { Node, NodeId } from "../worker/tailnet/entities/node.ts";
import type { Database } from "./open.ts";
import { nodes } from "./schema/index.ts";
import { prepareUpsert } from "./upsert.ts";
import { whenFirstUsed } from "./when-first-used.ts";

type Column = keyof Node & keyof typeof nodes.$inferInsert;

/** What changes as nodes come and go. */
const PRESENCE: readonly Column[] = ["isOnline", "disconnectedAt", "lastSeenAt"];
/** What changes as nodes move. */
const REPORT: readonly Column[] = [...PRESENCE, "endpoints", "homeDerp", "discoKey"];

/** Writes to the table of nodes; nobody else may. */
export class NodeWriter {
  readonly #db: Database;
  readonly #whole;
  readonly #presence;
  readonly #report;
  /** Nodes as they are stored. */
  readonly #stored = new Map<NodeId, Node>();
  /** Nodes whose presence is yet to be stored. */
  readonly #late = new Map<NodeId, Node>();

  constructor(db: Database) {
    this.#db = db;
    this.#whole = prepareUpsert(db, nodes, nodes.id);
    this.#presence = prepareUpdate(db, PRESENCE);
    this.#report = prepareUpdate(db, REPORT);
  }

  /** Notes what is stored. */
  remember(loaded: Iterable<Node>): void {
    for (const node of loaded) this.#stored.set(node.id, node);
  }

  /** Forgets what it believed to be stored; to be called when a transaction was rolled back. */
  forget(): void {
    this.#stored.clear();
  }

  /**
   * Leaves a node for putLate(), when that can do no harm: it was and is online, and only its streams came or went. What
   * is stored then stays right should it never be written, because whoever loads an online node looks for its streams.
   * @returns false when it has to be stored at once
   */
  putLater(node: Node): boolean {
    const stored = this.#stored.get(node.id);
    if (!stored?.isOnline || !node.isOnline || !differsOnlyIn(PRESENCE, stored, node)) return false;
    this.#late.set(node.id, node);
    return true;
  }

  /** Nodes left by putLater() that differ from what is stored; a node that came back is as it was. */
  late(): Node[] {
    return [...this.#late.values()].filter((node) => {
      const stored = this.#stored.get(node.id);
      return stored === undefined || PRESENCE.some((name) => node[name] !== stored[name]);
    });
  }

  /** Forgets what was left, as it is stored now. */
  forgetLate(): void {
    this.#late.clear();
  }

  put(node: Node): void {
    this.#late.delete(node.id);
    const stored = this.#stored.get(node.id);
    if (stored !== undefined && differsOnlyIn(PRESENCE, stored, node)) this.#presence().run(node as never);
    else if (stored !== undefined && differsOnlyIn(REPORT, stored, node)) this.#report().run(node as never);
    else this.#whole(node);
    this.#stored.set(node.id, node);
  }

  remove(id: NodeId): void {
    this.#stored.delete(id);
    this.#late.delete(id);
    this.#db.delete(nodes).where(eq(nodes.id, id)).run();
  }
}

function prepareUpdate(db: Database, columns: readonly Column[]) {
  const values = Object.fromEntries(columns.map((name) => [name, sql.placeholder(name)]));
  return whenFirstUsed(() =>
    db
      .update(nodes)
      .set(values)
      .where(eq(nodes.id, sql.placeholder("id")))
      .prepare(),
  );
}

/** Records are immutable, so parts that are equal are nearly always the same; others count as different. */
function differsOnlyIn(columns: readonly Column[], stored: Node, node: Node): boolean {
  for (const name of Object.keys(node) as Column[]) {
    if (node[name] !== stored[name] && !columns.includes(name)) return false;
  }
  return Object.keys(stored).length === Object.keys(node).length;
}

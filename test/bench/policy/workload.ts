// What is measured of the policy engine, as work that can be repeated: the same code runs in Node and, through
// bench-worker.ts, inside workerd, where no clock moves while it runs.
import { type PolicyEffect, PolicyEngine, type PolicyNode } from "../../../worker/policy/engine.ts";
import { type Policy, parsePolicy } from "../../../worker/policy/parse.ts";
import { type LargeTailnet, largeTailnet, policyText } from "./large-tailnet.ts";

/** Kinds of work. */
const WORK = ["parse", "compile", "views", "endpoint", "tag", "user", "rule"] as const;

/** One of {@link WORK}. */
export type Work = (typeof WORK)[number];

/** Tells whether a word names work. */
export function isWork(word: string): word is Work {
  return (WORK as readonly string[]).includes(word);
}

/** A tailnet of so many nodes with a policy engine, and the work on it. */
export class Workload {
  readonly #tailnet: LargeTailnet;
  #engine: PolicyEngine;
  /** Makes every repetition another change. */
  #turn = 0;

  constructor(nodes: number) {
    this.#tailnet = largeTailnet(nodes);
    this.#engine = this.#compile();
  }

  /** Does one kind of work so many times. @returns something that depends on it, so that none of it can be left out */
  repeat(work: Work, times: number): number {
    let sum = 0;
    for (let i = 0; i < times; i++) sum += this.#once(work);
    return sum;
  }

  #once(work: Work): number {
    this.#turn++;
    switch (work) {
      case "parse":
        return parsed(this.#tailnet.text).rules.length;
      case "compile":
        this.#engine = this.#compile();
        return this.#engine.primaries().size;
      case "views":
        return this.#views(this.#tailnet.nodes);
      case "endpoint":
        return read(this.#engine.setNode({ ...this.#nodeOfTurn() }));
      case "tag":
        return this.#changeTag();
      case "user":
        return this.#suspend();
      case "rule":
        return read(this.#engine.setPolicy(parsed(policyText(1_000 + (this.#turn % 60_000)))));
    }
  }

  #compile(): PolicyEngine {
    const { text, users, nodes } = this.#tailnet;
    return new PolicyEngine({ policy: parsed(text), users, nodes });
  }

  #views(nodes: Iterable<PolicyNode>): number {
    let sum = 0;
    for (const { id } of nodes) {
      sum += this.#engine.packetFilterOf(id).length + this.#engine.peersOf(id).length;
      sum += this.#engine.sshPolicyOf(id)?.rules.length ?? 0;
      sum += Object.keys(this.#engine.capMapOf(id)).length;
    }
    return sum;
  }

  #nodeOfTurn(): PolicyNode {
    const { nodes } = this.#tailnet;
    return nodes[(this.#turn * 7) % nodes.length] as PolicyNode;
  }

  /** A tagged node gets another tag, or has its own back. */
  #changeTag(): number {
    const { nodes } = this.#tailnet;
    const own = nodes[((this.#turn >> 1) * 14 + 4) % nodes.length] as PolicyNode;
    const tags = this.#turn % 2 === 0 ? ["tag:role-30"] : own.tags;
    return read(this.#engine.setNode({ ...own, tags: own.tags.length === 0 ? [] : tags }));
  }

  /** All devices of a user leave, or come back. */
  #suspend(): number {
    const { nodes, users } = this.#tailnet;
    const user = (this.#turn >> 1) % users.length;
    const devices = nodes.filter(({ userId }) => userId === user + 1);
    const isLeaving = this.#turn % 2 === 0;
    return read(
      isLeaving
        ? this.#engine.setNodes(
            [],
            devices.map(({ id }) => id),
          )
        : this.#engine.setNodes(devices),
    );
  }
}

function parsed(text: string): Policy {
  const result = parsePolicy(text, ["example.com"]);
  if (!result.ok) throw new Error(JSON.stringify(result.problems[0]));
  return result.policy;
}

/** Goes through what an effect names, as delivery does. */
function read({ viewers, filters, sshPolicies, capMaps, selves }: PolicyEffect): number {
  let sum = 0;
  viewers.forEach(({ added, removed, changed }) => {
    sum += added.length + removed.length + changed.length;
  });
  return sum + filters.size + sshPolicies.size + capMaps.size + selves.size;
}

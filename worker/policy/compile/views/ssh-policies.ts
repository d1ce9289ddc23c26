// SSH policies: the rules of a plan's ssh section as each node receives them (policy.md 16.2). Rules are built once per
// entry of the policy and shared by all destinations; only the list is a node's own.
import type {
  SSHAction,
  SSHPolicy,
  SSHPrincipal,
  SSHRecordingFailure,
  SSHRule,
} from "../../../protocol/control/ssh.ts";
import { isIPv4 } from "../../../protocol/ip.ts";
import type { PolicyUser } from "../../inventory.ts";
import type { SSHAccessRule } from "../../policy.ts";
import { isSelected } from "../nodes/node-class.ts";
import type { NodeRecord } from "../nodes/node-record.ts";
import type { SSHTemplate } from "../plan.ts";

/** What building SSH policies reads of the tailnet. */
export interface SSHWorld {
  /** Nodes selected by one of the atoms, in order of registration. */
  membersOf(atoms: readonly number[]): readonly NodeRecord[];
  userOf(record: NodeRecord): PolicyUser | undefined;
}

/** A check that a connection must pass, or has passed (policy.md 16.3). */
export interface SSHCheck {
  /** How long a passed check lasts; 0 means that every connection is checked. */
  readonly periodSeconds: number;
  /** What the destination does with the session once the check is passed. */
  readonly action: SSHAction;
}

/** Rules of one template, as lists per kind of destination. */
interface Built {
  /** For destinations that the policy names. */
  readonly everyone: readonly SSHRule[];
  /** For the user's own nodes, by user id. */
  readonly perUser: ReadonlyMap<number, readonly SSHRule[]>;
}

/** Builds the SSH policies of a tailnet's nodes. */
export class SSHPolicies {
  readonly #templates: readonly SSHTemplate[];
  readonly #world: SSHWorld;
  readonly #built = new Map<SSHTemplate, Built>();

  /** Rules that `earlier`, of the same nodes and with atoms numbered alike, has built are taken over. */
  constructor(templates: readonly SSHTemplate[], world: SSHWorld, earlier: SSHPolicies | null = null) {
    this.#templates = templates;
    this.#world = world;
    const known = new Map(
      [...(earlier === null ? [] : earlier.#built)].map(([template, built]) => [templateKey(template), built]),
    );
    for (const template of known.size > 0 ? templates : []) {
      const built = known.get(templateKey(template));
      if (built !== undefined) this.#built.set(template, built);
    }
  }

  /** The SSH policy of a node: rules that check first, then those that accept, each in file order. */
  policyOf(record: NodeRecord): SSHPolicy {
    const checks: SSHRule[] = [];
    const accepts: SSHRule[] = [];
    for (const template of this.#templates) {
      const list = template.rule.action === "check" ? checks : accepts;
      list.push(...this.#rulesFor(template, record));
    }
    return { rules: [...checks, ...accepts] };
  }

  /** Tells whether the node's policy may differ from those of its user's other nodes of the same class. */
  isOfOneNode({ node }: NodeRecord): boolean {
    return node.tags.length > 0 && this.#templates.some(({ rule }) => rule.localpartDomains.length > 0);
  }

  /** Tells whether some rule has sessions on the node recorded. */
  records(record: NodeRecord): boolean {
    return this.#templates.some(
      (template) => template.recorders.length > 0 && this.#rulesFor(template, record).length > 0,
    );
  }

  /** The check that a login from one node on another must pass; null when no check rule allows it. */
  checkOf(source: NodeRecord, destination: NodeRecord, login: string): SSHCheck | null {
    const addresses = new Set(source.addresses.map(({ text }) => text));
    for (const template of this.#templates) {
      if (template.rule.action !== "check") continue;
      const allows = (rule: SSHRule) =>
        rule.principals.some(({ nodeIP }) => addresses.has(nodeIP)) && isLoginMapped(rule, login);
      if (!this.#rulesFor(template, destination).some(allows)) continue;
      return { periodSeconds: template.rule.checkPeriodSeconds, action: this.#acceptAction(template) };
    }
    return null;
  }

  /** Forgets the rules of a template whose sources or recorders have changed. */
  forget(template: SSHTemplate): void {
    this.#built.delete(template);
  }

  #rulesFor(template: SSHTemplate, record: NodeRecord): readonly SSHRule[] {
    const built = this.#builtOf(template);
    const userId = record.node.tags.length > 0 ? null : record.node.userId;
    const own = userId === null ? [] : (built.perUser.get(userId) ?? []);
    const rules: SSHRule[] = [];
    if (template.rule.toSelf) rules.push(...own);
    const isNamed = isSelected(record.class, template.destinations);
    if (isNamed) rules.push(...built.everyone);
    const isDestination = isNamed || (template.rule.toSelf && userId !== null);
    if (!isDestination && template.rule.localpartDomains.length > 0) {
      rules.push(...(userId === null ? this.#ownTagged(template, record) : own));
    }
    return rules;
  }

  /** With a localpart entry, a source that is no destination is treated as its own (policy.md 16.2, quirk 6). */
  #ownTagged(template: SSHTemplate, record: NodeRecord): readonly SSHRule[] {
    if (!isSelected(record.class, template.sources)) return [];
    return [this.#makeRule(template, principalsOf([record]), loginMap(template.rule))];
  }

  #builtOf(template: SSHTemplate): Built {
    const known = this.#built.get(template);
    if (known !== undefined) return known;
    const built = this.#build(template);
    this.#built.set(template, built);
    return built;
  }

  #build(template: SSHTemplate): Built {
    const { rule } = template;
    const users = new Map<number, NodeRecord[]>();
    const tagged: NodeRecord[] = [];
    for (const record of this.#world.membersOf(template.sources)) {
      const { node } = record;
      if (node.tags.length > 0 || node.userId === null) tagged.push(record);
      else users.set(node.userId, [...(users.get(node.userId) ?? []), record]);
    }
    const perUser = new Map<number, readonly SSHRule[]>();
    for (const [id, records] of [...users].sort(([a], [b]) => a - b))
      perUser.set(id, this.#userRules(template, records));
    if (rule.localpartDomains.length === 0) {
      const principals = [...perUser.values()].flatMap(([own]) => own?.principals ?? []);
      const all = [...principals, ...principalsOf(tagged)];
      return { perUser, everyone: all.length === 0 ? [] : [this.#makeRule(template, all, loginMap(rule))] };
    }
    const everyone = [...perUser.values()].flat();
    if (tagged.length > 0) everyone.push(this.#makeRule(template, principalsOf(tagged), loginMap(rule)));
    return { perUser, everyone };
  }

  /** Rules for the sources of one user: the ordinary one, then one for the user's own local part. */
  #userRules(template: SSHTemplate, records: readonly NodeRecord[]): readonly SSHRule[] {
    const principals = principalsOf(records);
    const rules = [this.#makeRule(template, principals, loginMap(template.rule))];
    const user = records[0] && this.#world.userOf(records[0]);
    const at = user?.loginName.lastIndexOf("@") ?? -1;
    if (user !== undefined && at > 0 && template.rule.localpartDomains.includes(user.loginName.slice(at + 1))) {
      const local = user.loginName.slice(0, at);
      rules.push(this.#makeRule(template, principals, record([[local, local]])));
    }
    return rules;
  }

  #makeRule(
    template: SSHTemplate,
    principals: readonly SSHPrincipal[],
    sshUsers: Readonly<Record<string, string>>,
  ): SSHRule {
    const { acceptEnv, action } = template.rule;
    return {
      principals,
      sshUsers,
      action: action === "check" ? CHECK : this.#acceptAction(template),
      ...(acceptEnv.length === 0 ? {} : { acceptEnv }),
    };
  }

  #acceptAction(template: SSHTemplate): SSHAction {
    if (template.recorders.length === 0) return ACCEPT;
    const recorders = this.#world
      .membersOf(template.recorders)
      .flatMap(({ addresses }) => addresses)
      .map(({ address, text }) => (isIPv4(address) ? `${text}:80` : `[${text}]:80`));
    if (!template.rule.enforceRecorder) return { ...ACCEPT, recorders, onRecordingFailure: NOTIFIED };
    const named = recorders.length > 0 ? recorders : [NO_RECORDER];
    return { ...ACCEPT, recorders: named, onRecordingFailure: ENFORCED };
  }
}

/** A text that templates share exactly when they mean the same, in plans that number atoms alike. */
function templateKey({ rule, sources, destinations, recorders }: SSHTemplate): string {
  const { sources: _sources, destinations: _destinations, postures: _postures, ...rest } = rule; // atoms stand for them
  return JSON.stringify([rest, sources, destinations, recorders]);
}

const ACCEPT: SSHAction = {
  accept: true,
  allowAgentForwarding: true,
  allowLocalPortForwarding: true,
  allowRemotePortForwarding: true,
};

/** The client fills in the variables and asks the control server, whatever host stands here (policy.md 16.2). */
const CHECK: SSHAction = {
  holdAndDelegate: "https://unused/machine/ssh/action/$SRC_NODE_ID/to/$DST_NODE_ID?local_user=$LOCAL_USER",
};

/**
 * Stands for the recorders when no node has their tag. Clients record nothing, and refuse nothing, when the list is
 * empty; no program can listen here, so that they refuse what must be recorded.
 */
const NO_RECORDER = "127.0.0.1:0";

/** The node tells of the session, which goes on. Clients ask the control server whatever host stands here. */
const NOTIFIED: SSHRecordingFailure = { NotifyURL: "https://unused/machine/ssh/recording-failure" };

const ENFORCED: SSHRecordingFailure = {
  ...NOTIFIED,
  RejectSessionWithMessage: "This session must be recorded, but no recorder can be reached.",
  TerminateSessionWithMessage: "This session must be recorded, but the recorder was lost.",
};

/** A node with several tags is listed once for each of them, as the service does (policy.md 16.2). */
function principalsOf(records: readonly NodeRecord[]): SSHPrincipal[] {
  return records.flatMap((node) => {
    const addresses = node.addresses.map(({ text }) => ({ nodeIP: text }));
    return node.node.tags.length > 1 ? node.node.tags.flatMap(() => addresses) : addresses;
  });
}

/** Requested login → local login, without localpart entries; root is always there. */
function loginMap(rule: SSHAccessRule): Readonly<Record<string, string>> {
  const nonroot: [string, string][] = rule.allowsNonroot ? [["*", "="]] : [];
  const literal = rule.logins.map((login): [string, string] => [login, login]);
  return record([["root", rule.allowsRoot ? "root" : ""], ...nonroot, ...literal]);
}

function record(entries: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  return Object.fromEntries(entries);
}

/** Tells whether a rule maps a requested login name to a local one; `*` does not stand for root. */
export function isLoginMapped({ sshUsers }: SSHRule, login: string): boolean {
  const mapped = Object.hasOwn(sshUsers, login) ? sshUsers[login] : login === "root" ? "" : (sshUsers["*"] ?? "");
  return mapped !== "";
}

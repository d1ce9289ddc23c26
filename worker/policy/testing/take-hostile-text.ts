// What every text that is sent as a policy file must come to: refused with places inside it, or a policy that an engine
// can run on a tailnet, with its tests, in little time.
import { PolicyEngine, type PolicyNode } from "../engine.ts";
import { formatHuJson } from "../hujson/format.ts";
import { parsePolicy } from "../parse.ts";
import { checkPolicyTests } from "../policy-tests.ts";

const USERS = [{ id: 1, loginName: "ann@example.com", role: "owner" }] as const;
const NODES: readonly PolicyNode[] = [
  { id: 1, userId: 1, tags: [], ipv4: "100.64.0.1", ipv6: "fd7a:115c:a1e0::1", routes: [], isOnline: true },
  { id: 2, userId: null, tags: ["tag:a"], ipv4: "100.64.0.2", ipv6: null, routes: ["10.1.0.0/16"], isOnline: true },
  { id: 3, userId: null, tags: ["tag:b"], ipv4: "100.64.0.3", ipv6: null, routes: ["0.0.0.0/0"], isOnline: true },
];

/** Takes one text. @returns whether it was a policy @throws Error on anything but an answer */
export function takeHostileText(text: string): boolean {
  formatHuJson(text);
  const parsed = parsePolicy(text, ["example.com"]);
  if (!parsed.ok) {
    if (parsed.problems.length === 0) throw new Error("refused without a reason");
    for (const { message, line, column } of parsed.problems) {
      const length = text.split("\n")[line - 1]?.length ?? -1;
      if (message === "" || column < 1 || column > length + 1) throw new Error(`${message}: at ${line}:${column}`);
    }
    return false;
  }
  const engine = new PolicyEngine({ policy: parsed.policy, users: USERS, nodes: NODES });
  for (const { id } of NODES) {
    JSON.stringify([engine.packetFilterOf(id), engine.sshPolicyOf(id), engine.capMapOf(id), engine.peersOf(id)]);
  }
  checkPolicyTests(parsed.policy, USERS, NODES);
  return true;
}

// Which tailnets there are, and their objects: the one place that knows how they are named.

/** Name of the only tailnet of a deployment, so far. */
const DEFAULT_TAILNET = "default";

/** The object of the tailnet that requests are for which name none. */
export function defaultTailnet(env: Env) {
  return tailnetNamed(env, DEFAULT_TAILNET);
}

/** The objects of all tailnets of this deployment. */
function allTailnets(env: Env) {
  return [DEFAULT_TAILNET].map((name) => tailnetNamed(env, name));
}

function tailnetNamed(env: Env, name: string) {
  return env.TAILNET.getByName(name);
}

/** What the tailnets say of node keys. */
export interface RelayPermissions {
  /** Those whose holders may use a relay. */
  readonly allowed: ReadonlySet<string>;
  /** Whether every tailnet was asked with success; otherwise the other keys may be good or not. */
  readonly isComplete: boolean;
}

/** Asks every tailnet whose holders of node keys may use a relay. Never rejects. */
export async function askAboutRelay(env: Env, nodeKeys: readonly string[]): Promise<RelayPermissions> {
  const answers = await Promise.allSettled(allTailnets(env).map(async (tailnet) => tailnet.whichMayUseRelay(nodeKeys)));
  const allowed = new Set<string>();
  for (const answer of answers) {
    if (answer.status === "fulfilled") for (const key of answer.value) allowed.add(key);
    else console.error("tailnet did not say who may use the relay:", answer.reason);
  }
  return { allowed, isComplete: answers.every(({ status }) => status === "fulfilled") };
}

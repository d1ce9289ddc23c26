// Which tailnets there are, for parts that serve all of them.

/** Names of the objects of all tailnets of this deployment. */
export const TAILNET_NAMES: readonly string[] = ["default"];

/** What the tailnets say of node keys. */
export interface RelayPermissions {
  /** Those whose holders may use a relay. */
  readonly allowed: ReadonlySet<string>;
  /** Whether every tailnet was asked with success; otherwise the other keys may be good or not. */
  readonly isComplete: boolean;
}

/** Asks every tailnet whose holders of node keys may use a relay. Never rejects. */
export async function askAboutRelay(env: Env, nodeKeys: readonly string[]): Promise<RelayPermissions> {
  const answers = await Promise.allSettled(
    TAILNET_NAMES.map(async (name) => env.TAILNET.getByName(name).whichMayUseRelay(nodeKeys)),
  );
  const allowed = new Set<string>();
  for (const answer of answers) {
    if (answer.status === "fulfilled") for (const key of answer.value) allowed.add(key);
    else console.error("tailnet did not say who may use the relay:", answer.reason);
  }
  return { allowed, isComplete: answers.every(({ status }) => status === "fulfilled") };
}

// Tailscale SSH as it travels in a MapResponse and in answers to a delegated check (tailcfg SSHPolicy, SSHRule,
// SSHAction). The client takes the first rule whose principal and login name match. Types only; rule expiry is left
// out, since the server replaces policies instead.

/** The whole SSH policy of one node; no rules means that nobody may log in. */
export interface SSHPolicy {
  readonly rules: readonly SSHRule[];
}

/** Who may log in as whom, and what then happens. */
export interface SSHRule {
  readonly principals: readonly SSHPrincipal[];
  /** Requested login name → local login name; `*` stands for every other name, `=` for the name asked for, "" for none. */
  readonly sshUsers: Readonly<Record<string, string>>;
  readonly action: SSHAction;
  /** Patterns of environment variables that the session may set. */
  readonly acceptEnv?: readonly string[];
}

/** A connecting node, by one of its addresses. */
export interface SSHPrincipal {
  readonly nodeIP: string;
}

/** What the SSH server does with a session: accept, reject, or ask the URL in `holdAndDelegate` for the next action. */
export interface SSHAction {
  readonly message?: string;
  readonly reject?: boolean;
  readonly accept?: boolean;
  /** Nanoseconds. */
  readonly sessionDuration?: number;
  readonly allowAgentForwarding?: boolean;
  readonly allowLocalPortForwarding?: boolean;
  readonly allowRemotePortForwarding?: boolean;
  readonly holdAndDelegate?: string;
  /** `ip:port` of session recorders, tried in order. */
  readonly recorders?: readonly string[];
  readonly onRecordingFailure?: SSHRecordingFailure;
}

/** What to do when no recorder can be reached; without messages the session goes on unrecorded. */
export interface SSHRecordingFailure {
  /** Where the node tells of it, over its control connection. */
  readonly NotifyURL?: string;
  readonly RejectSessionWithMessage?: string;
  readonly TerminateSessionWithMessage?: string;
}

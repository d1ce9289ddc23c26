// What a device told of its hardware, while the tailnet collects that (api-v2.md 2.1, 2.15).

/** A node's answer. */
export interface PostureIdentity {
  /** Number of the node, decimal. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly answeredAt: number;
  /** The device's user has not agreed (`tailscale set --posture-checking`). */
  readonly isDisabled: boolean;
  /** Of the device, its mainboard and its case, as far as it has them. */
  readonly serialNumbers: readonly string[];
}

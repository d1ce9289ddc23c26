// How much each client may send. Two rules, both about traffic as it arrives, since a relay cannot make a hibernating
// socket wait:
// - the client's own rate, if the operator set one. It is announced at login and real clients keep to it by themselves,
//   so who exceeds it by far does not want to.
// - the region's rate. While all clients together stay below it, each may send what it likes. Beyond it, those are cut
//   back that send more than an equal part: what a client is entitled to is always let through.
// Messages cost more than their bytes, because most of a relay's work is per message.
import { DERP_MESSAGE_COST, DERP_MIN_RATE } from "../limits.ts";
import type { TokenBucket } from "./login.ts";

const WINDOW_MS = 1_000;
/** Seconds' worth of traffic over its own rate after which a client is held to be hostile. */
const MAX_EXCESS_SECONDS = 10;
/** An account says nothing any more when its owner was silent for longer than it takes to make up for all excess. */
const KEPT_MS = 2_000 * MAX_EXCESS_SECONDS;

/** The account of one node key; kept in memory while it sends. */
export interface Account {
  /** Bytes that its own rate allows now. */
  own: number;
  /** Cost that its part of the region's rate allows now; below zero when it has used what others left. */
  part: number;
  /** Bytes refused for its own rate that its silence since then has not made up for. */
  excess: number;
  updatedAtMs: number;
}

/** What becomes of a packet: on its way, dropped, or dropped and its sender with it. */
export type Ruling = "pass" | "drop" | "expel";

/** The limits of one region. */
export class FairShare {
  /** What to tell clients at login; undefined: no rate is set. */
  readonly announced: TokenBucket | undefined;
  readonly #regionRate: number;
  readonly #accounts = new Map<string, Account>();
  #region: number;
  #regionAtMs = 0;
  #windowEndsAtMs = 0;
  #activeNow = new Set<Account>();
  #activeBefore = 1;

  /** @param regionRate cost per second; @param clientRate bytes per second */
  constructor(regionRate: number, clientRate: number | undefined) {
    this.#regionRate = regionRate;
    this.#region = regionRate;
    if (clientRate === undefined) return;
    const burstBytes = Math.max(DERP_MIN_RATE, Math.ceil(clientRate / 4));
    this.announced = { bytesPerSecond: clientRate, burstBytes };
  }

  /** The account of a node key, so that a new connection does not start with a clean slate. */
  account(key: string, nowMs: number): Account {
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account = { own: this.#ownBurst, part: this.#regionRate, excess: 0, updatedAtMs: nowMs };
    this.#accounts.set(key, account);
    return account;
  }

  /** Charges a message before its frames are looked at, and brings the account up to date. */
  startMessage(account: Account, nowMs: number): void {
    this.#roll(nowMs);
    this.#activeNow.add(account);
    const share = this.#regionRate / Math.max(this.#activeBefore, this.#activeNow.size);
    const seconds = Math.max(0, nowMs - account.updatedAtMs) / 1_000;
    account.updatedAtMs = nowMs;
    account.part = Math.min(share, account.part + seconds * share);
    if (this.announced !== undefined) {
      const earned = seconds * this.announced.bytesPerSecond;
      account.own = Math.min(this.#ownBurst, account.own + earned);
      account.excess = Math.max(0, account.excess - earned);
    }
    const regionSeconds = Math.max(0, nowMs - this.#regionAtMs) / 1_000;
    this.#region = Math.min(this.#regionRate, this.#region + regionSeconds * this.#regionRate);
    this.#regionAtMs = nowMs;
    this.#charge(account, DERP_MESSAGE_COST);
  }

  /** Rules on a packet of the message that was started last. */
  rule(account: Account, length: number): Ruling {
    if (this.announced !== undefined) {
      if (account.own < length) {
        const max = MAX_EXCESS_SECONDS * this.announced.bytesPerSecond;
        account.excess = Math.min(2 * max, account.excess + length); // so that silence makes up for it in time
        return account.excess > max ? "expel" : "drop";
      }
      account.own -= length;
    }
    if (this.#region < length && account.part < length) return "drop";
    this.#charge(account, length);
    return "pass";
  }

  // The client's own bucket is twice what it was told of: what it sends in a second may arrive in less.
  get #ownBurst(): number {
    return 2 * (this.announced?.burstBytes ?? 0);
  }

  #charge(account: Account, cost: number): void {
    account.part = Math.max(-this.#regionRate, account.part - cost);
    this.#region = Math.max(-this.#regionRate, this.#region - cost);
  }

  /** Counts anew who sends, once a second, and forgets the accounts of those who did not. */
  #roll(nowMs: number): void {
    if (nowMs < this.#windowEndsAtMs) return;
    const isNext = nowMs < this.#windowEndsAtMs + WINDOW_MS;
    this.#activeBefore = isNext ? Math.max(1, this.#activeNow.size) : 1;
    this.#activeNow = new Set();
    this.#windowEndsAtMs = nowMs + WINDOW_MS;
    for (const [key, { updatedAtMs }] of this.#accounts) if (nowMs - updatedAtMs > KEPT_MS) this.#accounts.delete(key);
  }
}

import { expect, test } from "vitest";
import { Random } from "../test/simulation/random.ts";
import { GRACE_MS, LEASE_MS, Presence } from "./presence.ts";

/** Presence as it is defined, computed from everything that ever happened. */
class Definition {
  readonly sessions = new Map<string, number>();
  readonly invisible = new Set<string>();
  readonly leases = new Map<string, { turn: number; untilMs: number }>();
  readonly leftAt = new Map<string, number>();

  isOnline(user: string, now: number): boolean {
    if (this.invisible.has(user)) return false;
    if ((this.sessions.get(user) ?? 0) > 0) return true;
    if ((this.leases.get(user)?.untilMs ?? 0) > now) return true;
    return now - (this.leftAt.get(user) ?? Number.NEGATIVE_INFINITY) < GRACE_MS;
  }
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  "W1 W3 W5 W7: whoever is told follows who is there, whatever happens, seed %d",
  (seed) => {
    const random = new Random(seed);
    const users = ["a", "b", "c", "d"];
    const truth = new Definition();
    const options = {
      isHere: (user: string) => (truth.sessions.get(user) ?? 0) > 0,
      isInvisible: (user: string) => truth.invisible.has(user),
      lastSeenAt: () => null,
    };
    let presence = new Presence(options);
    /** What somebody knows who is told every change. */
    const told = new Map<string, boolean>();
    let now = 1_000_000;
    let turn = 0;
    // What the conversation does: it looks around at the time it asked for, and then tells.
    const lookAround = (): void => {
      const due = presence.nextAt(now);
      if (due !== null && due <= now) presence.expire(now);
      for (const fact of presence.takeChanges(now)) {
        expect(fact.online).not.toBe(told.get(fact.user_id) ?? false);
        told.set(fact.user_id, fact.online);
      }
    };
    for (let step = 0; step < 300; step += 1) {
      now += random.integer(0, step % 7 === 0 ? LEASE_MS : 3_000);
      const user = users[random.integer(0, 3)] ?? "a";
      const open = truth.sessions.get(user) ?? 0;
      switch (random.integer(0, 6)) {
        case 0:
          truth.sessions.set(user, open + 1);
          presence.came(user);
          truth.leftAt.delete(user);
          break;
        case 1:
          if (open > 0) {
            truth.sessions.set(user, open - 1);
            if (open === 1) truth.leftAt.set(user, now);
            presence.left(user, now);
          }
          break;
        case 2: {
          turn += 1;
          const lease = { turn, untilMs: now + LEASE_MS };
          truth.leases.set(user, lease);
          presence.setLease(user, { ...lease, lastSeenMs: null });
          break;
        }
        case 3: {
          const lease = truth.leases.get(user);
          if (lease) {
            truth.leases.delete(user);
            presence.setLease(user, { ...lease, untilMs: 0, lastSeenMs: now });
          }
          break;
        }
        case 4:
          if (truth.invisible.has(user)) truth.invisible.delete(user);
          else truth.invisible.add(user);
          presence.touch(user);
          break;
        case 5: {
          lookAround();
          // A sleep: nobody is leaving, or the object would not sleep before it told so.
          if (
            users.some(
              (other) => truth.isOnline(other, now) && now - (truth.leftAt.get(other) ?? 0) < GRACE_MS,
            )
          )
            break;
          const leases = users.flatMap((other) => {
            const lease = presence.lease(other);
            return lease ? [[other, lease] as const] : [];
          });
          presence = new Presence(options);
          for (const [other, lease] of leases) presence.restore(other, lease);
          for (const other of users) if (options.isHere(other)) presence.wasHere(other);
          now += random.integer(0, 2) * LEASE_MS;
          break;
        }
        default:
          break;
      }
      lookAround();
      for (const other of users) {
        expect([step, other, presence.isOnline(other, now)]).toEqual([
          step,
          other,
          truth.isOnline(other, now),
        ]);
        expect([step, other, told.get(other) ?? false]).toEqual([step, other, truth.isOnline(other, now)]);
      }
    }
  },
);

test("W7: a lease of a clock that was set back is believed no longer than any other", () => {
  const presence = new Presence({ isHere: () => false, isInvisible: () => false, lastSeenAt: () => null });
  presence.setLease("a", { turn: 1, untilMs: 10 * LEASE_MS, lastSeenMs: null });
  expect(presence.isOnline("a", LEASE_MS)).toBe(false);
  expect(presence.expire(LEASE_MS)).toEqual(["a"]);
});

test("W4 W5: who left is shown with the time they left, and who hides as if they left then", () => {
  const invisible = new Set<string>();
  const presence = new Presence({
    isHere: () => false,
    isInvisible: (user) => invisible.has(user),
    lastSeenAt: () => "2020-01-01T00:00:00.000Z",
  });
  expect(presence.fact("a", 5)).toMatchObject({ online: false, last_seen_at: "2020-01-01T00:00:00.000Z" });
  presence.setLease("a", { turn: 1, untilMs: 0, lastSeenMs: Date.parse("2026-01-01T00:00:00Z") });
  expect(presence.fact("a", 5)).toMatchObject({ last_seen_at: "2026-01-01T00:00:00.000Z" });
  // Offline already: hiding is no sign of life.
  expect(presence.hide("a", Date.parse("2026-02-01T00:00:00Z"))).toBeNull();
  expect(presence.fact("a", 5)).toMatchObject({ last_seen_at: "2026-01-01T00:00:00.000Z" });
  const now = Date.parse("2026-03-01T00:00:00Z");
  presence.setLease("a", { turn: 2, untilMs: now + 1_000, lastSeenMs: null });
  expect(presence.hide("a", now)).toMatchObject({ lastSeenMs: now });
  invisible.add("a");
  presence.came("a");
  presence.left("a", now + 500);
  const hidden = { online: false, last_seen_at: "2026-03-01T00:00:00.000Z" };
  expect(presence.fact("a", now + 900)).toMatchObject(hidden);
});

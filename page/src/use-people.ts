import { useMemo } from "react";
import type { Participant } from "../../protocol/entities.ts";
import { useI18n } from "./i18n.ts";
import { type Person, personOf } from "./people.ts";

/**
 * Gives people by their ids. The function and the people are the same ones until a profile changes: participants change with
 * whatever anybody reads, and rows would render for that.
 */
export function usePeople(participants: readonly Participant[]): (userId: string) => Person {
  const { t } = useI18n();
  const profiles = JSON.stringify(
    participants.map(({ user_id, user }) => [user_id, user.name, user.avatar_url]),
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: of participants, only the profiles count here.
  return useMemo(() => {
    const known = new Map<string, Person>();
    return (userId) => {
      const person = known.get(userId) ?? personOf(userId, participants, t);
      known.set(userId, person);
      return person;
    };
  }, [profiles, t]);
}

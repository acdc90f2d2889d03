interface Titled {
  title: string | null;
}

interface Person {
  user_id: string;
  user: { name: string | null };
}

/** A conversation's title; where it has none, the others' names. */
export function titleOf({ title }: Titled, people: readonly Person[], userId: string): string {
  const others = people.filter((person) => person.user_id !== userId);
  return title ?? (others.map(nameOf).join(", ") || "Just you");
}

export const nameOf = ({ user, user_id }: Person): string => user.name ?? user_id;

import { sql } from "drizzle-orm";
import type { Database } from "./client.ts";

/** What a credential says of its user. */
export interface SeenProfile {
  id: string;
  name: string | null;
  avatar_url: string | null;
}

/** Keeps the newest profile seen. Writes nothing when it is what is there; a credential without a name never erases one. */
export function saveProfile(db: Database, profile: SeenProfile) {
  return db.execute(sql`
    insert into users as u (id, name, avatar_url)
    values (${profile.id}, ${profile.name}, ${profile.avatar_url})
    on conflict (id) do update
      set name = coalesce(excluded.name, u.name),
          avatar_url = coalesce(excluded.avatar_url, u.avatar_url),
          updated_at = now()
      where (coalesce(excluded.name, u.name), coalesce(excluded.avatar_url, u.avatar_url))
        is distinct from (u.name, u.avatar_url)`);
}

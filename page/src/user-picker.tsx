import { DEMO_USERS } from "../../dev/demo-users.ts";
import { Avatar } from "./avatar.tsx";
import { useI18n } from "./i18n.ts";
import { Mark } from "./icons.tsx";
import { PreferenceButtons } from "./preference-buttons.tsx";
import { chooseUser } from "./route.ts";

/** The first screen: who to be in this window. */
export function UserPicker({ besideUserId }: { besideUserId: string | null }) {
  const { t } = useI18n();
  return (
    <div className="picker">
      <header className="picker-bar">
        <span className="brand">
          <Mark /> arcyou chat
        </span>
        <span className="spacer" />
        <PreferenceButtons />
      </header>
      <main className="picker-main">
        <h1>{t.pickTitle}</h1>
        <p className="picker-lead">{t.pickLead}</p>
        <ul className="cards" aria-label={t.pickLabel}>
          {DEMO_USERS.map((user) => (
            <li key={user.id}>
              <button
                type="button"
                className="card"
                data-testid={`user-${user.id}`}
                onClick={() => chooseUser(user.id)}
              >
                <Avatar id={user.id} name={user.name} url={user.avatar_url} size="large" />
                <bdi className="card-name">{user.name}</bdi>
                {user.id === besideUserId && <span className="card-note">{t.taken}</span>}
              </button>
            </li>
          ))}
        </ul>
      </main>
    </div>
  );
}

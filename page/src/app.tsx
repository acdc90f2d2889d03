import { DEMO_USERS } from "../../dev/demo-users.ts";
import { useStore } from "./external-store.ts";
import { route } from "./route.ts";
import { UserPicker } from "./user-picker.tsx";
import { Workspace } from "./workspace.tsx";

export function App() {
  const { userId, conversationId, besideUserId } = useStore(route);
  const user = DEMO_USERS.find(({ id }) => id === userId);
  if (!user) return <UserPicker besideUserId={besideUserId} />;
  return <Workspace key={user.id} user={user} conversationId={conversationId} />;
}

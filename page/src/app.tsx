import { ChatProvider } from "../../client/react/index.ts";
import { DEMO_USERS } from "../../dev/demo-users.ts";
import { useStore } from "./external-store.ts";
import { route } from "./route.ts";
import { UserPicker } from "./user-picker.tsx";
import { Workspace } from "./workspace.tsx";

export function App() {
  const { userId, conversationId, besideUserId } = useStore(route);
  const user = DEMO_USERS.find(({ id }) => id === userId);
  if (!user) return <UserPicker besideUserId={besideUserId} />;
  return (
    <ChatProvider key={user.id} url={location.origin} userId={user.id} token={async () => user.id}>
      <Workspace user={user} conversationId={conversationId} />
    </ChatProvider>
  );
}

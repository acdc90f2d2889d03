import { type ReactNode, useEffect, useRef, useState } from "react";
import { ChatClient, type ChatClientOptions } from "../index.ts";
import { HubContext } from "./context.ts";
import { Hub, hubOf } from "./hub.ts";

interface CommonProps {
  children?: ReactNode;
  /**
   * Whether the client is connected while the provider is mounted, and disconnected when it is unmounted. Default: true.
   * When false, the application does both.
   */
  autoConnect?: boolean;
}

/** Either a client of the application, or the options of one that the provider makes. */
export type ChatProviderProps =
  | (CommonProps & { client: ChatClient })
  | (CommonProps & ChatClientOptions & { client?: undefined });

/**
 * Gives the components below it a client.
 *
 * One made from options lasts as long as the provider; another `url` or `userId` makes another client and mounts the
 * components anew. `token` may be another function at each render: the last one is asked. Other options count as they
 * were first. On a server no client is made unless a component asks for it with `useChatClient`.
 *
 * @example
 * <ChatProvider url="https://chat.example" userId={userId} token={fetchChatToken}>
 *   <Conversation id={id} />
 * </ChatProvider>
 */
export function ChatProvider(props: ChatProviderProps): ReactNode {
  if (props.client) return <Provided {...props} hub={hubOf(props.client)} />;
  return <OwnClient key={JSON.stringify([props.url, props.userId])} {...props} />;
}

function OwnClient({ children, autoConnect, ...options }: CommonProps & ChatClientOptions): ReactNode {
  const { token, userId } = options;
  const lastToken = useRef(token);
  useEffect(() => {
    lastToken.current = token;
  }, [token]);
  const [hub] = useState(() => {
    const make = () => new ChatClient({ ...options, token: () => lastToken.current() });
    return new Hub(make, userId);
  });
  return (
    <Provided hub={hub} autoConnect={autoConnect}>
      {children}
    </Provided>
  );
}

function Provided({ hub, autoConnect = true, children }: CommonProps & { hub: Hub }): ReactNode {
  useEffect(() => (autoConnect ? hub.hold() : undefined), [hub, autoConnect]);
  return <HubContext.Provider value={hub}>{children}</HubContext.Provider>;
}

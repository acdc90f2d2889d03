/** Who can be picked on the demo page. Free of Node imports: the page has this file in its bundle. */
export const DEMO_USERS = [
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0001", name: "김하늘", avatar_url: null },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0002", name: "Alex Kim", avatar_url: null },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0003", name: "이서준", avatar_url: null },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0004", name: "Mina Park", avatar_url: null },
] as const;

export type DemoUser = (typeof DEMO_USERS)[number];

/** UUIDs of version 7, as the service gives conversations. */
export const DEMO_CONVERSATIONS = {
  group: "019a3f00-0000-7000-8000-00000000d001",
  direct: "019a3f00-0000-7000-8000-00000000d002",
} as const;

/** Whom the service's demo data knows: the list of `dev/demo-users.ts`. */
export const DEMO_USERS = [
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0001", name: "김하늘" },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0002", name: "Alex Kim" },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0003", name: "이서준" },
  { id: "0a7c2c5e-4d1b-4f6a-9a53-1b7f5f0e0004", name: "Mina Park" },
] as const;

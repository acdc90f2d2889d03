/** Every limit a caller can run into. Sizes are bytes of UTF-8 unless the name says characters. */
export const LIMITS = {
  /** One incoming WebSocket text frame. */
  frameBytes: 64 * 1024,
  /** Commands in one frame. */
  frameCommands: 100,
  /** One REST request body: a frame's worth. */
  requestBytes: 64 * 1024,
  /** `body.text`, in Unicode code points. */
  textCharacters: 10_000,
  /** `body.data`, serialised as JSON. */
  dataBytes: 16 * 1024,
  /** Nesting of arrays and objects in any JSON a caller sends. */
  jsonDepth: 32,
  /** `conversation.title`, in Unicode code points. */
  titleCharacters: 200,
  /** `user_id`, in UTF-16 units. */
  userIdLength: 128,
  /** `temp_id`, in UTF-16 units. */
  tempIdLength: 64,
  /** A credential in `auth.refresh`, in characters. */
  tokenLength: 16 * 1024,
  /** `ref`, in UTF-16 units. */
  refLength: 64,
  /** An emoji, or the name of one, in UTF-16 units. */
  emojiLength: 64,
  /** Different emojis under one message. */
  reactionsPerMessage: 20,
  /** All reactions of one message as JSON, in characters: some thousands of users and emojis. */
  reactionCharacters: 256 * 1024,
  /** `Idempotency-Key`, in characters. */
  idempotencyKeyLength: 255,
  /** What is searched for, in UTF-16 units. */
  searchLength: 200,
  /** Participants of one conversation. */
  participants: 1_000,
  /** Sockets of one user in one conversation, and of their inbox. */
  socketsPerUser: 20,
  /** Conversations of one user that their inbox follows: those with the newest activity. */
  inboxConversations: 1_000,
  /** Participants of a conversation up to which inboxes are told who of them is online. */
  presenceParticipants: 50,
  /** Commands of one user in one conversation: sustained rate and burst. Settings may change both. */
  commandsPerSecond: 20,
  commandBurst: 40,
  /** The same for all sockets of one address in one conversation: an office of many people has one address. */
  addressCommandsPerSecond: 400,
  addressCommandBurst: 800,
  /** `limit` of a list. */
  pageSizeDefault: 50,
  pageSizeMax: 100,
  /** Changes that a resume replays before it becomes a reset. */
  resumeChanges: 1_000,
  /** Characters of message bodies that a resume replays before it becomes a reset. */
  resumeCharacters: 2_000_000,
} as const;

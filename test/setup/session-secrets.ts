/** Secrets of an Auth.js whose sessions the tests use: the one in use, the one before it, and one it never had. */
export const SESSION_SECRETS = {
  current: "the secret in use, of 32 characters or more",
  previous: "the secret before it, of 32 characters or more",
  unknown: "a secret of another service, of 32 characters or more",
  v4: "the secret of NextAuth v4, of 32 characters or more",
};

/** A back end that may do everything, one that may read messages, and one whose only scope no route asks for. */
export const SERVICE_KEYS = {
  all: "arcyou_all-0123456789abcdef0123456789abcdef",
  none: "arcyou_none-0123456789abcdef0123456789abcdef",
  reader: "arcyou_reader-0123456789abcdef0123456789ab",
};

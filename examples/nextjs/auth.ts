import NextAuth from "next-auth";
import Credentials from "next-auth/providers/credentials";
import { DEMO_USERS } from "@/lib/demo-users";

export const { handlers, auth, signIn, signOut } = NextAuth({
  // The service reads sessions that are JWTs, with the same AUTH_SECRET.
  session: { strategy: "jwt" },
  pages: { signIn: "/sign-in" },
  providers: [
    // For the demo alone: whoever asks is let in. Put your own providers here.
    Credentials({
      name: "Demo",
      credentials: { userId: {} },
      authorize: ({ userId }) => DEMO_USERS.find(({ id }) => id === userId) ?? null,
    }),
  ],
  callbacks: {
    jwt({ token, account }) {
      // The chat knows users by `sub`: it must be the same at every sign-in. With several providers,
      // put `account.provider` before it.
      if (account) token.sub = account.providerAccountId;
      return token;
    },
    session({ session, token }) {
      if (token.sub) session.user.id = token.sub;
      return session;
    },
  },
});

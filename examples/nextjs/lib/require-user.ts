import { redirect } from "next/navigation";
import { auth } from "@/auth";

/** Who is signed in; whoever is not goes to the sign-in page. */
export async function requireUser(): Promise<{ id: string; name: string }> {
  const user = (await auth())?.user;
  if (!user?.id) redirect("/sign-in");
  return { id: user.id, name: user.name ?? user.id };
}

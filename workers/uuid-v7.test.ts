import { expect, test } from "vitest";
import { conversationId } from "../protocol/entities.ts";
import { uuidV7 } from "./uuid-v7.ts";

test("ids carry the version, the variant and the time", () => {
  // The example of RFC 9562, appendix A.6.
  const id = uuidV7(0x017f22e279b0);
  expect(id).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(conversationId.safeParse(id).success).toBe(true);
  expect(uuidV7(1) < uuidV7(2)).toBe(true);
});

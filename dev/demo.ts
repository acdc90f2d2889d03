import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { conversations, messages, participants, users } from "../db/schema.ts";
import { DEMO_CONVERSATIONS, DEMO_USERS } from "./demo-users.ts";

export { DEMO_CONVERSATIONS, DEMO_USERS } from "./demo-users.ts";

const [HANEUL, ALEX, SEOJUN, MINA] = DEMO_USERS;

/** Who, what, and the line (counted from 1) it answers, if any. */
type Line = readonly [sender: { id: string }, text: string, replyTo?: number];

const GROUP_LINES: readonly Line[] = [
  [HANEUL, "다들 안녕하세요! 이번 토요일 북한산 가는 방 만들었어요 🏔️"],
  [ALEX, "Hi everyone! Thanks for setting this up, 하늘 👋"],
  [SEOJUN, "안녕하세요~ 드디어 가는군요"],
  [MINA, "Hello! First hike of the season for me, please be gentle 😅"],
  [HANEUL, "걱정 마세요, 제일 쉬운 코스로 골랐어요"],
  [ALEX, "Which trail are we taking?"],
  [HANEUL, "북한산성 입구에서 출발해서 백운대까지요. 왕복 다섯 시간 정도 걸려요", 6],
  [MINA, "Five hours… is that the gentle one? 😂"],
  [SEOJUN, "ㅋㅋㅋㅋ 중간에 쉬는 시간 포함이에요"],
  [ALEX, "I'm in. What time do we meet?"],
  [HANEUL, "8시 30분 구파발역 1번 출구 어때요?"],
  [SEOJUN, "저는 좋아요 👍", 11],
  [MINA, "8:30 on a Saturday. Okay. For you, I'll do it."],
  [ALEX, "Works for me. From there it's the 704 bus, right?"],
  [HANEUL, "네 맞아요! 704번이나 34번 타면 돼요", 14],
  [SEOJUN, "주말에는 버스가 꽉 차니까 조금 일찍 나오시는 게 좋아요"],
  [MINA, "Good to know. I'll aim for 8:20."],
  [ALEX, "What should I bring? I have boots and a 20 L pack."],
  [HANEUL, "물 1리터, 간식, 바람막이, 장갑이면 충분해요"],
  [SEOJUN, "정상 쪽은 쇠줄 잡고 올라가야 해서 장갑은 꼭 챙기세요"],
  [MINA, "Wait, 쇠줄? As in steel cables??", 20],
  [SEOJUN, "네 ㅎㅎ 짧아요. 3분이면 끝나요"],
  [HANEUL, "힘들면 위문에서 기다려도 돼요. 전망은 거기도 좋아요"],
  [MINA, "I'll decide when I see them 😄"],
  [ALEX, "I'll stay with you at the gate if you'd rather not go up."],
  [MINA, "That's kind, thank you!", 25],
  [SEOJUN, "점심은 어떻게 할까요? 김밥 사갈까요?"],
  [HANEUL, "좋아요! 저는 과일이랑 커피 가져갈게요 ☕"],
  [ALEX, "I can bring sandwiches. Anyone not eating meat?"],
  [MINA, "No meat for me, please 🙏"],
  [ALEX, "Got it: two egg, two ham.", 30],
  [SEOJUN, "그럼 김밥은 참치 두 줄, 야채 두 줄로 할게요"],
  [HANEUL, "완벽해요. 배고플 일은 없겠네요 ㅋㅋ"],
  [MINA, "Has anyone looked at the forecast?"],
  [SEOJUN, "토요일 맑음, 최저 4도 최고 13도래요 ☀️", 34],
  [ALEX, "Perfect hiking weather. A bit chilly in the morning though."],
  [HANEUL, "아침에는 추우니까 겹쳐 입고 오세요"],
  [MINA, "Layers, gloves, water, courage. Noted."],
  [SEOJUN, "용기가 제일 중요하죠 ㅋㅋㅋ", 38],
  [ALEX, "And after the hike? I heard the 파전 near the entrance is great."],
  [HANEUL, "맞아요! 내려와서 파전에 막걸리 한잔해요 🥞"],
  [SEOJUN, "그게 진짜 목적 아니었나요?"],
  [MINA, "Now you have my full attention."],
  [HANEUL, "네 명이니까 제가 식당에 3시로 전화해 둘게요"],
  [ALEX, "Thank you! Let me know how we split it.", 44],
  [SEOJUN, "그럼 토요일 8시 30분, 구파발역 1번 출구에서 봬요!"],
  [MINA, "See you all there 🎒"],
  [HANEUL, "다들 일찍 주무세요~ 토요일에 만나요 😊"],
];

const DIRECT_LINES: readonly Line[] = [
  [HANEUL, "Alex, 혹시 무릎 보호대 여분 있어요?"],
  [ALEX, "I have two pairs! Do you need one for Saturday?"],
  [HANEUL, "네, 내려올 때 무릎이 조금 걱정돼서요"],
  [ALEX, "No problem. I'll put them in my bag tonight."],
  [HANEUL, "고마워요! 제가 커피 맛있는 걸로 준비할게요 ☕"],
  [ALEX, "Deal. Is it the beans from that place in 연희동?"],
  [HANEUL, "맞아요 ㅎㅎ 기억하고 있네요", 6],
  [ALEX, "How could I forget? Best coffee I've had in Seoul."],
  [HANEUL, "그리고 Mina가 쇠줄 구간을 좀 무서워하는 것 같아요"],
  [ALEX, "I noticed. I'll stay close to her, no pressure to go up.", 9],
  [HANEUL, "역시 든든하네요. 토요일에 봐요!"],
  [ALEX, "See you Saturday! 🏔️"],
];

/**
 * Puts the demo's people and two conversations into a database, once: where the conversations exist already,
 * it changes nothing, so whatever was said in them since stays.
 */
export async function seedDemo(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 30_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    await drizzle(client).transaction(async (db) => {
      await db
        .insert(users)
        .values(DEMO_USERS.map((user) => ({ id: user.id, name: user.name, avatarUrl: user.avatar_url })))
        .onConflictDoNothing();
      await seedConversation(db, {
        id: DEMO_CONVERSATIONS.group,
        title: "토요일 북한산 🏔️",
        people: [HANEUL, ALEX, SEOJUN, MINA],
        lines: GROUP_LINES,
        unread: 3,
      });
      await seedConversation(db, {
        id: DEMO_CONVERSATIONS.direct,
        title: null,
        people: [HANEUL, ALEX],
        lines: DIRECT_LINES,
        unread: 0,
      });
    });
  } finally {
    await client.end().catch(() => {});
  }
}

interface DemoConversation {
  id: string;
  /** null makes it a direct one. */
  title: string | null;
  people: readonly { id: string }[];
  lines: readonly Line[];
  /** How many of the newest messages nobody but the first person has read. */
  unread: number;
}

type Database = Parameters<Parameters<ReturnType<typeof drizzle>["transaction"]>[0]>[0];

async function seedConversation(db: Database, { id, title, people, lines, unread }: DemoConversation) {
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
  const timeOf = (index: number) => minutesAgo(5 + (lines.length - 1 - index) * 3);
  const [creator] = people;
  const inserted = await db
    .insert(conversations)
    .values({
      id,
      type: title === null ? "direct" : "group",
      title,
      createdBy: creator?.id ?? "",
      createdAt: minutesAgo(10 + lines.length * 3),
      updatedAt: timeOf(lines.length - 1),
      directKey: title === null ? JSON.stringify(people.map((person) => person.id).sort()) : null,
      lastMessageId: lines.length,
      seq: lines.length,
    })
    .onConflictDoNothing()
    .returning({ id: conversations.id });
  if (inserted.length === 0) return;

  await db.insert(participants).values(
    people.map((person) => ({
      conversationId: id,
      userId: person.id,
      // As the service does it: two who talk are equals.
      role: person === creator || title === null ? ("admin" as const) : ("member" as const),
      joinedAt: minutesAgo(10 + lines.length * 3),
      lastReadId: person === creator ? lines.length : lines.length - unread,
    })),
  );
  await db.insert(messages).values(
    lines.map(([sender, text, replyTo], index) => ({
      conversationId: id,
      id: index + 1,
      seq: index + 1,
      createdSeq: index + 1,
      senderId: sender.id,
      tempId: `demo-${index + 1}`,
      type: "user" as const,
      body: { text },
      replyToId: replyTo ?? null,
      createdAt: timeOf(index),
    })),
  );
}

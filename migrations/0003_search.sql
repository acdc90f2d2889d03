ALTER TABLE "messages" ADD COLUMN "search_text" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "bigrams" bigint[];--> statement-breakpoint
CREATE INDEX "messages_bigrams" ON "messages" USING gin ("bigrams") WITH (fastupdate=false) WHERE "messages"."bigrams" is not null;--> statement-breakpoint
CREATE INDEX "messages_unsearchable" ON "messages" USING btree ("conversation_id","id") WHERE "messages"."bigrams" is null and "messages"."body" ? 'text';
ALTER TABLE "user_settings" ADD COLUMN "version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "user_settings" ADD COLUMN "told_version" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "user_settings_untold" ON "user_settings" USING btree ("updated_at") WHERE version > told_version;
import { statement } from "ringwall/core";
import { sealed, sealedTable } from "ringwall/data/fields";

/**
 * Every statement the bank runs. No condition names the tenant: the transaction's context brings it, and PostgreSQL holds
 * it. Rows say whose they are all the same, so that the decision in front of them does not lean on that wall.
 */

export interface AccountRow {
  readonly tenant_id: string;
  readonly account_id: string;
  readonly owner_id: string;
  readonly balance: bigint;
  readonly currency: string;
  readonly number: Buffer;
  readonly row_key: Buffer;
}

export const READ_ACCOUNT = statement<AccountRow>(
  "bank.read_account",
  `select tenant_id, account_id, owner_id, balance, currency, number, row_key from bank.account where account_id = $1`,
);

export const LIST_ACCOUNTS = statement<Omit<AccountRow, "tenant_id" | "number" | "row_key">>(
  "bank.list_accounts",
  `select account_id, owner_id, balance, currency from bank.account
   where ($1::uuid is null or owner_id = $1) and ($2::uuid is null or account_id > $2)
   order by account_id limit $3`,
);

/** What is sealed of a customer. Two spellings of a national id are one when their letters and digits are. */
export const CUSTOMER = sealedTable(
  "bank.customer",
  { row: "customer_id", rows: 10_000 },
  sealed("national_id").equality({ normaliser: "id" }),
);

export const CREATE_CUSTOMER = statement(
  "bank.create_customer",
  `insert into bank.customer (customer_id, user_id, name, national_id, national_id_eq, row_key)
   values ($1, $2, $3, $4, $5, $6)`,
);

export interface CustomerRow {
  readonly tenant_id: string;
  readonly customer_id: string;
  readonly user_id: string;
  readonly name: string;
  readonly national_id: Buffer;
  readonly row_key: Buffer;
}

export const READ_CUSTOMER = statement<CustomerRow>(
  "bank.read_customer",
  `select tenant_id, customer_id, user_id, name, national_id, row_key from bank.customer where customer_id = $1`,
);

// Tags are cut short, so some of these are of other national ids: whoever asks opens them and looks.
export const FIND_CUSTOMERS = statement<CustomerRow>(
  "bank.find_customers",
  `select tenant_id, customer_id, user_id, name, national_id, row_key from bank.customer
   where national_id_eq = any($1::bytea[]) order by customer_id limit $2`,
);

export const CREATE_ACCOUNT = statement(
  "bank.create_account",
  `insert into bank.account (account_id, customer_id, owner_id, number, row_key, balance, currency)
   values ($1, $2, $3, $4, $5, $6, $7)`,
);

export interface LockedAccount {
  readonly tenant_id: string;
  readonly account_id: string;
  readonly owner_id: string;
  readonly balance: bigint;
  readonly currency: string;
}

// Locked in the order of their ids, so that two transfers in opposite directions wait instead of deadlocking.
export const LOCK_ACCOUNTS = statement<LockedAccount>(
  "bank.lock_accounts",
  `select tenant_id, account_id, owner_id, balance, currency from bank.account
   where account_id in ($1, $2) order by account_id for update`,
);

// One statement moves the money and writes the transfer. The payer's balance is a condition of it, and a transfer of
// which not both accounts moved has no amount: the column refuses NULL, and the transaction ends there.
export const TRANSFER = statement(
  "bank.transfer",
  `with moved as (
     update bank.account
     set balance = balance + case account_id when $2::uuid then -$4::bigint else $4::bigint end
     where account_id in ($2, $3) and (account_id <> $2 or balance >= $4::bigint)
     returning account_id)
   insert into bank.transfer (transfer_id, from_account, to_account, amount, currency, user_id)
   select $1, $2, $3, case when count(*) = 2 then $4::bigint end, $5, $6 from moved`,
);

export interface TransferRow {
  readonly transfer_id: string;
  readonly from_account: string;
  readonly to_account: string;
  readonly amount: bigint;
  readonly currency: string;
  readonly created_at: string;
}

export const LIST_TRANSFERS = statement<TransferRow>(
  "bank.list_transfers",
  `select transfer_id, from_account, to_account, amount, currency,
          to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at
   from bank.transfer where $1 in (from_account, to_account) and ($2::uuid is null or transfer_id < $2)
   order by transfer_id desc limit $3`,
);

export interface DocumentRow {
  readonly tenant_id: string;
  readonly document_id: string;
  readonly owner_id: string;
  readonly title: string;
  readonly body: string;
}

export const READ_DOCUMENT = statement<DocumentRow>(
  "bank.read_document",
  `select tenant_id, document_id, owner_id, title, body from bank.document where document_id = $1`,
);

export const LIST_DOCUMENTS = statement<Omit<DocumentRow, "tenant_id" | "body">>(
  "bank.list_documents",
  `select document_id, owner_id, title from bank.document
   where ($1::uuid is null or document_id > $1) order by document_id limit $2`,
);

export const CREATE_DOCUMENT = statement(
  "bank.create_document",
  `insert into bank.document (document_id, owner_id, title, body) values ($1, $2, $3, $4)`,
);

// With the owner that the decision was made about: whoever changed it meanwhile made another document of it.
export const DELETE_DOCUMENT = statement<{ document_id: string }>(
  "bank.delete_document",
  `delete from bank.document where document_id = $1 and owner_id = $2 returning document_id`,
);

"""SQLAlchemy and Django as applications use them: reflection, migrations, the ORM's queries."""

import datetime
import decimal
import os
import unittest

import django
import sqlalchemy as sa
from django.conf import settings
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql

HOST = os.environ["PGHOST"]
PORT = os.environ["PGPORT"]
PASSWORD = os.environ["PGPASSWORD"]


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    __table_args__ = (sa.UniqueConstraint("name", name="author_name"), {"comment": "who writes"})
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), comment="in full")
    tags: orm.Mapped[list[str]] = orm.mapped_column(postgresql.ARRAY(sa.Text), default=list)
    extra: orm.Mapped[dict] = orm.mapped_column(postgresql.JSONB, default=dict)
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", order_by="Book.id", passive_deletes=True, cascade="all, delete")


class Book(Base):
    __tablename__ = "book"
    __table_args__ = (
        sa.CheckConstraint("price >= 0", name="book_price"),
        sa.Index("book_cheap", "title", postgresql_where=sa.text("price < 10")),
        sa.Index("book_lower", sa.text("lower(title)")),
    )
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    title: orm.Mapped[str]
    price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2), server_default="1.50")
    kind: orm.Mapped[str] = orm.mapped_column(sa.Enum("paper", "audio", name="book_kind"), default="paper")
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id", ondelete="CASCADE", name="book_author"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


class SqlAlchemy(unittest.TestCase):
    """The same on each driver, in a tenant of its own."""

    def check(self, driver):
        url = f"postgresql+{driver}://sa-{driver}.admin:{PASSWORD}@{HOST}:{PORT}/postgres"
        engine = sa.create_engine(url)
        self.addCleanup(engine.dispose)
        Base.metadata.drop_all(engine)
        Base.metadata.create_all(engine)
        Base.metadata.create_all(engine)
        with orm.Session(engine) as session:
            ann = Author(name="Ann", tags=["a", "b"], extra={"born": 1900, "in": {"city": "Łódź"}})
            ann.books = [Book(title=f"Book {i}", price=decimal.Decimal(i)) for i in range(20)]
            session.add_all([ann, Author(name="Bob", books=[Book(title="Solo", kind="audio")])])
            session.commit()
            totals = sa.select(Author.name, sa.func.count(Book.id), sa.func.sum(Book.price)).join(Author.books).group_by(Author.name)
            rows = session.execute(totals.order_by(Author.name)).all()
            self.assertEqual(rows, [("Ann", 20, decimal.Decimal("190.00")), ("Bob", 1, decimal.Decimal("1.50"))])
            found = session.scalars(sa.select(Author).where(Author.extra["in"]["city"].astext == "Łódź").options(orm.selectinload(Author.books)))
            self.assertEqual(len(found.one().books), 20)
            ranked = sa.select(Book.title, sa.func.rank().over(order_by=Book.price.desc())).limit(2)
            self.assertEqual([tuple(r) for r in session.execute(ranked)], [("Book 19", 1), ("Book 18", 2)])
            insert = postgresql.insert(Author).values(name="Ann", tags=[], extra={})
            insert = insert.on_conflict_do_update(constraint="author_name", set_={"tags": ["again"]}).returning(Author.tags)
            self.assertEqual(session.scalars(insert).one(), ["again"])
            session.execute(sa.update(Book).where(Book.price > 10).values(price=Book.price * 2))
            session.delete(session.scalars(sa.select(Author).where(Author.name == "Bob")).one())
            session.commit()
            self.assertEqual(session.scalar(sa.select(sa.func.count()).select_from(Book)), 20)
        inspector = sa.inspect(engine)
        self.assertEqual(sorted(inspector.get_table_names()), ["author", "book"])
        self.assertEqual(inspector.get_table_comment("author"), {"text": "who writes"})
        self.assertEqual(inspector.get_pk_constraint("book")["constrained_columns"], ["id"])
        (key,) = inspector.get_foreign_keys("book")
        self.assertEqual((key["referred_table"], key["options"], key["name"]), ("author", {"ondelete": "CASCADE"}, "book_author"))
        self.assertEqual([c["name"] for c in inspector.get_check_constraints("book")], ["book_price"])
        self.assertEqual([c["column_names"] for c in inspector.get_unique_constraints("author")], [["name"]])
        indexes = {index["name"]: index for index in inspector.get_indexes("book")}
        self.assertEqual(indexes["book_lower"]["expressions"], ["lower(title::text)"])
        self.assertIn("price < ", indexes["book_cheap"]["dialect_options"]["postgresql_where"])
        self.assertEqual([e["name"] for e in inspector.get_enums()], ["book_kind"])
        columns = {column["name"]: column for column in inspector.get_columns("book")}
        self.assertEqual(columns["id"]["identity"]["always"], True)
        self.assertEqual((columns["price"]["type"].precision, columns["price"]["type"].scale), (10, 2))
        reflected = sa.MetaData()
        reflected.reflect(engine)
        self.assertEqual(len(reflected.tables["book"].foreign_keys), 1)
        Base.metadata.drop_all(engine)
        self.assertEqual(sa.inspect(engine).get_table_names(), [])

    def test_psycopg(self):
        self.check("psycopg")

    def test_psycopg2(self):
        self.check("psycopg2")


settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "HOST": HOST,
            "PORT": PORT,
            "USER": "django.admin",
            "PASSWORD": PASSWORD,
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.postgres"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.postgres.aggregates import ArrayAgg, StringAgg  # noqa: E402
from django.contrib.postgres.fields import ArrayField  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, migrations, models, transaction  # noqa: E402
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Sum, Value, Window  # noqa: E402
from django.db.models.functions import Coalesce, Concat, Lower, Rank, TruncMonth  # noqa: E402


class Order(models.Model):
    """Kept out of migrations: the schema editor makes and changes its table."""

    customer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="orders")
    placed = models.DateTimeField()
    total = models.DecimalField(max_digits=10, decimal_places=2, db_index=True)
    lines = models.JSONField(default=dict)
    codes = ArrayField(models.CharField(max_length=10), default=list)
    note = models.TextField(null=True, unique=True)

    class Meta:
        app_label = "auth"
        constraints = [models.CheckConstraint(condition=Q(total__gte=0), name="order_total")]
        indexes = [models.Index(Lower("note"), name="order_note")]


class Django(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        call_command("migrate", verbosity=0)
        with connection.schema_editor() as editor:
            editor.create_model(Order)

    def test_migrations_are_recorded_and_repeatable(self):
        call_command("migrate", verbosity=0)
        self.assertEqual(Permission.objects.filter(content_type__app_label="sessions").count(), 4)
        with connection.cursor() as cursor:
            tables = {table.name for table in connection.introspection.get_table_list(cursor)}
            self.assertIn("auth_user_groups", tables)
            constraints = connection.introspection.get_constraints(cursor, "auth_order")
            self.assertTrue(constraints["order_total"]["check"])
            self.assertIn(["customer_id"], [c["columns"] for c in constraints.values() if c["foreign_key"] == ("auth_user", "id")])
            columns = [(c.name, c.null_ok) for c in connection.introspection.get_table_description(cursor, "auth_order")]
            self.assertIn(("note", True), columns)
            self.assertEqual(connection.introspection.get_primary_key_columns(cursor, "auth_order"), ["id"])
            self.assertEqual(len(connection.introspection.get_sequences(cursor, "auth_order")), 1)

    def test_queries(self):
        ann = User.objects.create_user("ann", password="secret", email="Ann@example.org")
        bob = User.objects.create_user("bob")
        staff = Group.objects.create(name="staff")
        ann.groups.add(staff)
        when = datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.timezone.utc)
        Order.objects.bulk_create(
            Order(customer=ann if i % 3 else bob, placed=when + datetime.timedelta(days=i), total=i, lines={"n": i, "of": [1, i]}, codes=[f"c{i}"])
            for i in range(30)
        )
        totals = User.objects.annotate(n=Count("orders"), spent=Coalesce(Sum("orders__total"), Value(0), output_field=models.DecimalField()))
        self.assertEqual([(u.username, u.n, u.spent) for u in totals.order_by("username")], [("ann", 20, 300), ("bob", 10, 135)])
        months = Order.objects.annotate(month=TruncMonth("placed")).values("month").annotate(n=Count("id")).order_by("month")
        self.assertEqual([row["n"] for row in months], [1, 29])
        self.assertEqual(Order.objects.filter(lines__n__gte=28).count(), 2)
        self.assertEqual(Order.objects.filter(lines__of__contains=[29]).count(), 1)
        self.assertEqual(Order.objects.filter(codes__overlap=["c1", "c2", "zz"]).count(), 2)
        latest = Order.objects.filter(customer=OuterRef("pk")).order_by("-placed").values("total")[:1]
        self.assertEqual([u.last for u in User.objects.annotate(last=Subquery(latest)).order_by("username")], [29, 27])
        self.assertEqual(User.objects.filter(~Exists(Order.objects.filter(customer=OuterRef("pk"), total=28))).count(), 1)
        ranks = Order.objects.annotate(place=Window(Rank(), partition_by=F("customer"), order_by=F("total").desc())).order_by("place", "id")
        self.assertEqual([(o.total, o.place) for o in ranks[:2]], [(27, 1), (29, 1)])
        names = User.objects.aggregate(a=ArrayAgg("username", order_by="username"), s=StringAgg("username", "-", order_by="-username"))
        self.assertEqual(names, {"a": ["ann", "bob"], "s": "bob-ann"})
        self.assertEqual(User.objects.filter(email__iexact="ANN@EXAMPLE.ORG", groups__name__in=["staff"]).distinct().get(), ann)
        shown = User.objects.annotate(label=Concat("username", Value("!"))).values_list("label", flat=True).union(Group.objects.values_list("name"))
        self.assertEqual(sorted(shown), ["ann!", "bob!", "staff"])
        self.assertEqual(Order.objects.filter(total__lt=5).update(note=None, total=F("total") + 100), 5)
        obj, created = Order.objects.update_or_create(note="unique", defaults={"customer": bob, "placed": when, "total": 1})
        self.assertTrue(created)
        with transaction.atomic():
            with self.assertRaises(IntegrityError), transaction.atomic():
                Order.objects.create(customer=bob, placed=when, total=1, note="unique")
            locked = Order.objects.select_for_update(of=("self",)).select_related("customer").get(pk=obj.pk)
            locked.total = 2
            locked.save()
        with self.assertRaises(IntegrityError):
            Order.objects.create(customer=bob, placed=when, total=-1)
        Order.objects.bulk_create(
            [Order(customer=ann, placed=when, total=7, note="unique")], update_conflicts=True, unique_fields=["note"], update_fields=["total"]
        )
        self.assertEqual(Order.objects.get(note="unique").total, 7)
        self.assertEqual(sum(1 for _ in Order.objects.order_by("id").iterator(chunk_size=10)), 31)
        deleted, _ = bob.delete()
        self.assertEqual(deleted, 12)
        self.assertEqual(connection.vendor, "postgresql")

    def test_schema_changes(self):
        number = models.IntegerField(default=5)
        number.set_attributes_from_name("number")
        wide = models.BigIntegerField(null=True)
        wide.set_attributes_from_name("number")
        with connection.schema_editor() as editor:
            editor.add_field(Order, number)
            editor.alter_field(Order, number, wide)
            editor.remove_field(Order, wide)
        with connection.schema_editor() as editor:
            editor.alter_db_table(Order, "auth_order", "auth_order_2")
            editor.alter_db_table(Order, "auth_order_2", "auth_order")
        self.assertIsInstance(Order.objects.count(), int)

using System.Reflection;
using System.Runtime.CompilerServices;
using Jumun.Coupons;
using Jumun.DataPlatform;
using Jumun.Orders;
using Jumun.Payments;
using Jumun.Points;

namespace Jumun.Tests.Decisions;

/// <summary>What every type of the core has to keep to.</summary>
public sealed class ConventionTests
{
    private static readonly Assembly Core = typeof(Command).Assembly;

    [Fact]
    public void Every_class_is_sealed_or_abstract()
    {
        Assert.All(Core.GetTypes(), type => Assert.False(type is { IsClass: true, IsSealed: false, IsAbstract: false }, type.FullName));
    }

    [Fact]
    public void Every_command_is_a_sealed_public_record_that_cannot_be_changed()
    {
        Assert.NotEmpty(Commands());
        Assert.All(Commands(), command =>
        {
            Assert.True(command is { IsSealed: true, IsPublic: true, BaseType.Name: nameof(Command) }, command.Name);
            Assert.All(command.GetProperties(), property => Assert.False(CanBeSet(property), $"{command.Name}.{property.Name}"));
        });
    }

    [Fact]
    public void Every_command_has_a_table_of_decisions()
    {
        Type here = typeof(ConventionTests);

        Assert.All(Commands(), command => Assert.NotNull(here.Assembly.GetType($"{here.Namespace}.{command.Name}Tests")));
    }

    /// <summary>Stores settle them beside commands that many wait for.</summary>
    [Fact]
    public void Commands_of_one_member_alone_need_no_row_that_many_want()
    {
        Command[] alone = [new ChargePoints("m", 1), new PayOrder("m", Guid.Empty)];
        Assert.Equal(
            Commands().Where(command => command.IsAssignableTo(typeof(IOfMemberAlone))).OrderBy(command => command.Name), alone.Select(one => one.GetType()));
        var rows = new WorkingSet();
        Assert.All(alone, command => command.Declare(rows.Keys));
        Assert.Empty(rows.Products.Keys);
        Assert.Empty(rows.Coupons.Keys);
    }

    [Fact]
    public void Every_answer_is_a_sealed_record_that_cannot_be_changed()
    {
        Assert.All(Core.GetTypes().Where(type => type.IsSubclassOf(typeof(Answer))), answer =>
        {
            Assert.True(answer.IsSealed, answer.Name);
            Assert.All(answer.GetProperties(), property => Assert.False(CanBeSet(property), $"{answer.Name}.{property.Name}"));
        });
    }

    [Fact]
    public void Rows_are_changed_by_the_core_only()
    {
        Type[] rows = [.. Core.GetTypes().Where(type => type.IsSubclassOf(typeof(Row))), typeof(Row)];

        Assert.Contains(typeof(Order), rows);
        Assert.All(rows, row =>
        {
            Assert.Empty(row.GetFields());
            Assert.All(row.GetProperties(), property => Assert.False(CanBeSet(property), $"{row.Name}.{property.Name}"));
            Assert.True(row.GetProperty(nameof(Row.State))!.SetMethod!.IsAssembly);
        });
    }

    [Fact]
    public void The_core_references_nothing_but_the_framework()
    {
        string framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;

        Assert.All(Core.GetReferencedAssemblies(), name => Assert.True(File.Exists(Path.Combine(framework, $"{name.Name}.dll")), name.Name));
    }

    [Fact]
    public void The_core_does_not_reach_for_the_network_files_or_a_database()
    {
        string[] references = [.. Core.GetReferencedAssemblies().Select(name => name.Name!)];

        Assert.DoesNotContain(references, name =>
            name.StartsWith("System.Net", StringComparison.Ordinal) || name.StartsWith("System.IO", StringComparison.Ordinal)
            || name.StartsWith("System.Data", StringComparison.Ordinal) || name.StartsWith("System.Threading", StringComparison.Ordinal));
    }

    [Fact]
    public void Numbers_that_are_stored_never_change()
    {
        Assert.Equal("PendingPayment=0 Completed=1 Expired=2 Cancelled=3 Refunded=4", Numbers<OrderStatus>());
        Assert.Equal("Available=0 Held=1 Used=2 Expired=3", Numbers<IssuedCouponStatus>());
        Assert.Equal("Amount=0 Percent=1", Numbers<DiscountKind>());
        Assert.Equal("Charge=0 Payment=1 Refund=2", Numbers<LedgerKind>());
        Assert.Equal("Completed=0 Refunded=1", Numbers<OrderEventType>());
        Assert.Equal("Pending=0 Delivered=1 Dead=2", Numbers<OutboxState>());
    }

    [Fact]
    public void A_decision_is_an_answer_or_a_refusal()
    {
        Decision answered = Done.Instance;
        Decision refused = new Refusal(RefusalCode.NotFound);

        Assert.Equal((Done.Instance, null), (answered.Answer, answered.Refusal));
        Assert.Equal((null, RefusalCode.NotFound), (refused.Answer, refused.Refusal?.Code));
    }

    private static Type[] Commands() => [.. Core.GetTypes().Where(type => type.IsSubclassOf(typeof(Command)))];

    private static bool CanBeSet(PropertyInfo property) =>
        property.SetMethod is { IsPublic: true } setter
        && !setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Numbers<T>()
        where T : struct, Enum =>
        string.Join(' ', Enum.GetValues<T>().Select(value => $"{value}={Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture)}"));
}

namespace Jumun.Tests.Decisions;

public sealed class IdsTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("AZaz09")]
    [InlineData("._~@|:-")]
    [InlineData("auth0|6523")]
    [InlineData("alice@example.com")]
    [InlineData("urn:uuid:01957c00-0000-7000-8000-000000000000")]
    public void A_member_id_is_letters_digits_and_a_few_signs(string text)
    {
        Assert.True(Ids.IsMemberId(text));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("alice ")]
    [InlineData("al ice")]
    [InlineData("alice/bob")]
    [InlineData("alice%2F")]
    [InlineData("alice+bob")]
    [InlineData("alice\n")]
    [InlineData("alice\0")]
    [InlineData("ali\u0441e")]
    [InlineData("\u00e9")]
    [InlineData("\uff11")]
    [InlineData("\u0661")]
    [InlineData("\ud83d\ude00")]
    public void Nothing_else_is(string text)
    {
        Assert.False(Ids.IsMemberId(text));
    }

    [Fact]
    public void Of_all_ascii_characters_exactly_these_may_be_in_a_member_id()
    {
        string allowed = string.Concat(Enumerable.Range(0, 128).Select(code => (char)code).Where(sign => Ids.IsMemberId([sign])));

        Assert.Equal("-.0123456789:@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz|~", allowed);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void A_member_id_has_1_to_64_characters(int length, bool isMemberId)
    {
        Assert.Equal(isMemberId, Ids.IsMemberId(new string('a', length)));
    }

    [Theory]
    [InlineData("01957c00-1234-7abc-8def-0123456789a0")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a1")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a2")]
    [InlineData("01957c00-1234-7abc-8def-0123456789a3")]
    public void A_family_differs_in_its_two_lowest_bits_and_in_nothing_else(string fresh)
    {
        Guid orderId = Ids.ToOrderId(Guid.Parse(fresh));

        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a0"), orderId);
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a1"), Ids.PaymentOf(orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a2"), Ids.CompletedEventOf(orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a3"), Ids.RefundedEventOf(orderId));
        Assert.Equal(7, orderId.Version);
    }

    [Theory]
    [InlineData("01957c00-1234-7abc-8def-0123456789a4", true, false)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a5", false, true)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a6", false, false)]
    [InlineData("01957c00-1234-7abc-8def-0123456789a7", false, false)]
    public void An_id_is_an_orders_or_a_payments_or_neither_and_never_both(string id, bool isOrder, bool isPayment)
    {
        Assert.Equal(isOrder, Ids.IsOrderId(Guid.Parse(id)));
        Assert.Equal(isPayment, Ids.TryOrderOfPayment(Guid.Parse(id), out Guid orderId));
        Assert.Equal(Guid.Parse("01957c00-1234-7abc-8def-0123456789a4"), orderId);
    }
}
